#pragma once
/// @file  What shares the bandwidth of links, where times are predicted.

#include <array>
#include <cstdint>
#include <string_view>

#include "core/enumerators.hpp"

namespace ringworld {

enum class Port : std::uint8_t {
  cable,  ///< each rank has one to every neighbour
  rank,   ///< each rank has one into a switch
  node,   ///< the ranks of a node share one
};

template <>
struct Enumerators<Port> {
  static constexpr std::string_view what = "port";
  static constexpr std::array<std::string_view, 3> names{"cable", "rank", "node"};
};

}  // namespace ringworld
