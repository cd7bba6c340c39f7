#pragma once
/// @file  What the matrix product of the host backend reaches here.

#include <cstdint>

namespace ringworld {

/// FLOP/s of square fp32 products of this extent: the best of `seconds`.
[[nodiscard]] double measure_gemm_peak(std::int64_t extent, double seconds);

}  // namespace ringworld
