#pragma once
/// @file  The cost of a matrix product C (m, n) = A (m, k) B (k, n).

#include "kernels/matmul/matmul.hpp"

namespace ringworld {

/// 2 m n k: one multiplication and one addition for each term.
[[nodiscard]] constexpr double matmul_flop(std::int64_t m, std::int64_t n, std::int64_t k) {
  return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
}

/// FLOP as above. Bytes: A and B read once, C written once and, when it accumulates, read once.
[[nodiscard]] Cost cost_of(const MatmulProblem& problem);

}  // namespace ringworld
