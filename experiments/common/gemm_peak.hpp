#pragma once
/// @file  Measured rate of a backend's matrix product on this machine.

#include <cstdint>

#include "core/dtype.hpp"
#include "device/backend.hpp"

namespace ringworld {

/// FLOP/s in square products of this extent, operands and results of `dtype`: the best of `seconds`, and of at least
/// three after one that warms up. On the host of one thread.
[[nodiscard]] double measure_gemm_peak(Backend backend, DType dtype, std::int64_t extent, double seconds);

/// The best over extents 256, 512, ... `largest_extent`, `seconds` each; ends before products that would take longer
/// than that. For devices of unknown size. Below 256, `largest_extent` alone.
[[nodiscard]] double measure_growing_gemm_peak(Backend backend, DType dtype, std::int64_t largest_extent,
                                               double seconds);

}  // namespace ringworld
