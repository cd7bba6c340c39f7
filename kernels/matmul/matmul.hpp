#pragma once
/// @file  Matrix products: the contract that every backend keeps.
/// Shapes: op(A) (m, k), op(B) (k, n), C (m, n); row major with leading dimensions.

#include <cstdint>
#include <memory>

#include "core/dtype.hpp"
#include "device/backend.hpp"
#include "kernels/contract/kernel.hpp"
#include "kernels/contract/kernel_options.hpp"

namespace ringworld {

/// C = op(A) op(B) [+ C], accumulated in fp32 and rounded once, when C is written.
struct MatmulProblem {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  DType dtype = DType::float32;    ///< of A and B
  DType c_dtype = DType::float32;  ///< of C; bfloat16 only with A and B in bfloat16
  const void* a = nullptr;         ///< (m, k), or (k, m) when transposed
  std::int64_t a_leading = 0;      ///< elements from row to row, as are the other two
  bool is_a_transposed = false;
  const void* b = nullptr;  ///< (k, n), or (n, k) when transposed
  std::int64_t b_leading = 0;
  bool is_b_transposed = false;
  void* c = nullptr;
  std::int64_t c_leading = 0;
  bool is_accumulating = false;
};

/// An object owns its scratch memory and serves one thread at a time. The first product of a shape prepares and caches
/// what that shape needs; later products of the shape start at once.
class Matmul : public Kernel {
 public:
  /// Cost: 2 m n k FLOP. With k = 0 the product is 0.
  /// @throws Error when an extent, a leading dimension or the pair of dtypes is invalid
  void multiply(const MatmulProblem& problem);

 private:
  // The computation of a backend; operands are checked and the cost is charged before these calls.
  virtual void run_multiply(const MatmulProblem& problem) = 0;
};

/// @throws Error(bad_input) when the backend has no matrix product in this build, or threads is not positive.
[[nodiscard]] std::unique_ptr<Matmul> make_matmul(Backend backend, const KernelOptions& options = {});

}  // namespace ringworld
