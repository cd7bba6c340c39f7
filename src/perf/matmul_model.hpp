#pragma once
/// @file  FLOP and byte models of matrix products C (m, n) = A (m, k) B (k, n).

#include <cstdint>

#include "core/dtype.hpp"

namespace ringworld {

/// 2 m n k: a multiplication and an addition a term.
[[nodiscard]] constexpr double matmul_flop(std::int64_t m, std::int64_t n, std::int64_t k) {
  return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
}

/// Bytes to move at least: A and B read once, C written once and, when it accumulates, read once.
[[nodiscard]] constexpr double matmul_memory_bytes(std::int64_t m, std::int64_t n, std::int64_t k, DType dtype,
                                                   DType c_dtype, bool is_accumulating) {
  return static_cast<double>((m * k + k * n) * size_of(dtype) + m * n * size_of(c_dtype) * (is_accumulating ? 2 : 1));
}

}  // namespace ringworld
