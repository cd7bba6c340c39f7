#pragma once
/// @file  The largest score of a query that has seen no key.

#include <limits>

namespace ringworld {

inline constexpr float minus_infinity = -std::numeric_limits<float>::infinity();

}  // namespace ringworld
