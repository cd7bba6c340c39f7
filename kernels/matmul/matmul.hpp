#pragma once
/// @file  Matrix products: the contract that every backend keeps.
/// Shapes: op(A) (m, k), op(B) (k, n), C (m, n); row major with leading dimensions.

#include <cstdint>
#include <memory>

#include "device/backend.hpp"

namespace ringworld {

/// C = op(A) op(B) [+ C], fp32 with fp32 accumulation.
struct MatmulProblem {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  const float* a = nullptr;  ///< (m, k), or (k, m) when transposed
  std::int64_t a_leading = 0;
  bool is_a_transposed = false;
  const float* b = nullptr;  ///< (k, n), or (n, k) when transposed
  std::int64_t b_leading = 0;
  bool is_b_transposed = false;
  float* c = nullptr;
  std::int64_t c_leading = 0;
  bool is_accumulating = false;
};

class Matmul {
 public:
  virtual ~Matmul() = default;
  /// Cost: 2 m n k FLOP. @throws Error when an extent or a leading dimension cannot be
  virtual void multiply(const MatmulProblem& problem) = 0;
};

/// @throws Error(bad_input) when the backend has no matrix product in this build.
[[nodiscard]] std::unique_ptr<Matmul> make_matmul(Backend backend);

[[nodiscard]] std::unique_ptr<Matmul> make_reference_matmul();
[[nodiscard]] std::unique_ptr<Matmul> make_host_matmul();

/// Checks extents and leading dimensions; every backend calls it first.
void check_matmul(const MatmulProblem& problem);

}  // namespace ringworld
