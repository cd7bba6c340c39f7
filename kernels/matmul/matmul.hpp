#pragma once
/// @file  Matrix products: the contract that every backend keeps.
/// Shapes: op(A) (m, k), op(B) (k, n), C (m, n); row major with leading dimensions.

#include <cstdint>
#include <memory>

#include "core/dtype.hpp"
#include "device/backend.hpp"

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

/// An object owns its scratch memory and serves one thread at a time. What a shape needs is prepared at its first product
/// and kept: later products of that shape start at once.
class Matmul {
 public:
  virtual ~Matmul() = default;
  /// Cost: 2 m n k FLOP. With k = 0 the product is 0.
  /// @throws Error when an extent, a leading dimension or the pair of dtypes cannot be
  virtual void multiply(const MatmulProblem& problem) = 0;
};

/// Bytes of scratch memory that a product object of the backend `cuda` holds on the GPU: what cuBLAS recommends for Hopper,
/// the largest that it asks for. (Its own workspace would be in no account.)
inline constexpr std::int64_t cuda_matmul_workspace_bytes = std::int64_t{32} << 20;

struct MatmulOptions {
  std::int64_t threads = 1;  ///< that one product may use; `reference` uses one whatever this says
};

/// @throws Error(bad_input) when the backend has no matrix product in this build, or threads is not positive.
[[nodiscard]] std::unique_ptr<Matmul> make_matmul(Backend backend, const MatmulOptions& options = {});

[[nodiscard]] std::unique_ptr<Matmul> make_reference_matmul();
[[nodiscard]] std::unique_ptr<Matmul> make_host_matmul(const MatmulOptions& options);
/// cuBLAS on the compute stream; operands are device memory. fp32 operands are multiplied in fp32, not in TF32.
[[nodiscard]] std::unique_ptr<Matmul> make_cuda_matmul();

/// Checks extents, leading dimensions and dtypes; every backend calls it first.
void check_matmul(const MatmulProblem& problem);

/// Does the whole work of a problem that has no products in it (an extent is 0), C set to 0 unless it accumulates.
/// @return whether that was so
[[nodiscard]] bool finish_empty_product(const MatmulProblem& problem);

}  // namespace ringworld
