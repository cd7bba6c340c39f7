#pragma once
/// @file  How the sum of squares is cut on Kokkos, which says how much memory it holds.

#include <cstdint>

namespace ringworld {

inline constexpr std::int64_t kokkos_square_chunk = 1024;  ///< elements whose squares one thread adds up

}  // namespace ringworld
