#pragma once
/// @file  What the matrix product of the host backend reaches here.

#include <cstdint>

#include "core/dtype.hpp"

namespace ringworld {

/// FLOP/s of one thread in square products of this extent, operands and results of `dtype`: the best of `seconds`.
[[nodiscard]] double measure_gemm_peak(DType dtype, std::int64_t extent, double seconds);

}  // namespace ringworld
