#pragma once
/// @file  Vector quantisation: the nearest code of a codebook, its vector, and the straight-through gradient.
/// Source: van den Oord, Vinyals, Kavukcuoglu, "Neural Discrete Representation Learning", arXiv:1711.00937, equations 1
/// to 3.
/// Shapes: T vectors of size D, a codebook of K vectors e; rows one behind the other.
///
///   code = the k with the smallest |z - e_k|^2, the first one of equals; 0 where no distance is a number
///
/// Distances are compared in double, so every backend finds the same code, whatever arithmetic it looks with first.

#include <cstdint>
#include <memory>

#include "core/tensor_view.hpp"
#include "device/backend.hpp"
#include "kernels/contract/kernel.hpp"
#include "kernels/contract/kernel_options.hpp"

namespace ringworld {

struct NearestCode {
  TensorView<const float, 2> z;         ///< (T, D)
  TensorView<const float, 2> codebook;  ///< (K, D)
  std::int32_t* codes = nullptr;        ///< (T), overwritten, each in [0, K)
  float* squared_error = nullptr;       ///< (T), |z - e|^2, overwritten; null: not wanted
};

struct CodeLookUp {
  const std::int32_t* codes = nullptr;  ///< (T), each in [0, K): unchecked where host code cannot read them
  TensorView<const float, 2> codebook;  ///< (K, D)
  TensorView<float, 2> quantized;       ///< (T, D), overwritten
};

/// The gradient passes the quantiser as if it were not there; codebook and encoder are drawn to each other besides:
///
///   dz = dquantized + commitment_scale (z - e)       dcodebook[code] += codebook_scale (e - z)
struct QuantizerBackward {
  const std::int32_t* codes = nullptr;    ///< (T), each in [0, K): unchecked where host code cannot read them
  TensorView<const float, 2> z;           ///< (T, D)
  TensorView<const float, 2> codebook;    ///< (K, D)
  TensorView<const float, 2> dquantized;  ///< (T, D)
  float codebook_scale = 0;
  float commitment_scale = 0;
  TensorView<float, 2> dz;         ///< (T, D), overwritten; may be dquantized
  TensorView<float, 2> dcodebook;  ///< (K, D), added to, for each code in the order of its vectors
};

/// Views are dense. A vector's results do not depend on the vectors beside it, nor anything on threads. An object owns
/// its scratch memory and serves one thread at a time.
class VectorQuantizer : public Kernel {
 public:
  /// @throws Error when a shape contradicts another, a view is not dense, or there are no codes.
  /// Cost: a product of z and the codebook.
  void nearest(const NearestCode& search);
  /// Cost: one pass over quantized.
  void look_up(const CodeLookUp& look_up);
  /// Cost: one pass over z, dquantized and dz.
  void backward(const QuantizerBackward& pass);

 private:
  // The computation of a backend; operands are checked and the cost is charged before these calls.
  virtual void run_nearest(const NearestCode& search) = 0;
  virtual void run_look_up(const CodeLookUp& look_up) = 0;
  virtual void run_backward(const QuantizerBackward& pass) = 0;
};

/// @throws Error(bad_input) when the backend was not built.
[[nodiscard]] std::unique_ptr<VectorQuantizer> make_vector_quantizer(Backend backend,
                                                                     const KernelOptions& options = {});

}  // namespace ringworld
