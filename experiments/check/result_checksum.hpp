#pragma once
/// @file  Checksums of what attention computed, by which two builds or two MPI libraries can be held together.

#include <cstdint>

#include "experiments/common/point_data.hpp"

namespace ringworld {

/// Of every bit of the output, maxima and sums of all ranks, and of which rank holds them. Equal on every rank.
/// Collective over the ranks of `data`.
[[nodiscard]] std::uint32_t forward_checksum(const PointData& data);

/// The same of the gradients of q, k and v.
[[nodiscard]] std::uint32_t backward_checksum(const PointData& data);

}  // namespace ringworld
