#pragma once
/// @file  How the sum of squares is cut on NVIDIA GPUs, which says how much memory it holds.

#include <cstdint>

namespace ringworld {

inline constexpr std::int64_t cuda_square_chunk = std::int64_t{1} << 15;  ///< elements whose squares one block adds up

}  // namespace ringworld
