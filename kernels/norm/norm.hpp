#pragma once
/// @file  Root mean square normalisation, with the residual branch added in the same pass.
/// Source: Zhang, Sennrich, "Root Mean Square Layer Normalization", arXiv:1910.07467, equation 4.
/// Shapes: T rows (tokens), C columns (hidden_size).
///
///   s = x [+ branch]      inverse_rms = 1 / sqrt(mean_c(s^2) + epsilon)      y = s * inverse_rms * weight
///
/// Statistics, weights and their gradients are fp32 whatever the type of the activations.

#include <memory>
#include <span>

#include "device/backend.hpp"
#include "kernels/contract/kernel.hpp"
#include "kernels/contract/kernel_options.hpp"
#include "kernels/elementwise/rows_view.hpp"

namespace ringworld {

struct RmsNormForward {
  ConstRowsView x;                ///< (T, C)
  ConstRowsView branch;           ///< (T, C), or null: nothing is added
  RowsView sum;                   ///< (T, C), receives x + branch, may be x; null when branch is
  std::span<const float> weight;  ///< (C)
  float epsilon = 1e-6F;
  RowsView y;                    ///< (T, C), overwritten; may be x when there is no branch
  std::span<float> inverse_rms;  ///< (T), overwritten
};

struct RmsNormBackward {
  ConstRowsView dy;                    ///< (T, C)
  ConstRowsView x;                     ///< (T, C), what was normalised: the sum where there was a branch
  std::span<const float> weight;       ///< (C)
  std::span<const float> inverse_rms;  ///< (T)
  ConstRowsView residual_gradient;     ///< (T, C), added to dx, may be dx; null: nothing is added
  RowsView dx;                         ///< (T, C), overwritten; may be dy
  std::span<float> dweight;            ///< (C), added to, in an order that does not depend on threads
};

/// An object owns its scratch memory and serves one thread at a time. Activations are all of one type.
class RmsNorm : public Kernel {
 public:
  /// @throws Error when a shape or type contradicts another.
  /// Cost: one pass over x, y and, where there is a branch, branch and sum.
  void forward(const RmsNormForward& pass);

  /// Cost: one pass over dy, x, dx and, where it is given, residual_gradient.
  void backward(const RmsNormBackward& pass);

 private:
  // The computation of a backend; operands are checked and the cost is charged before these calls.
  virtual void run_forward(const RmsNormForward& pass) = 0;
  virtual void run_backward(const RmsNormBackward& pass) = 0;
};

/// @throws Error(bad_input) when the backend was not built.
[[nodiscard]] std::unique_ptr<RmsNorm> make_rms_norm(Backend backend, const KernelOptions& options = {});

}  // namespace ringworld
