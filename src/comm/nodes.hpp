#pragma once
/// @file  Which ranks share a node.

#include <vector>

#include "comm/communicator.hpp"

namespace ringworld {

/// The node of each rank, named by its lowest rank: {0, 0, 2, 2} for two nodes of two. Collective. Ranks that are not
/// there (Communicator::pretended) count as each on a node of its own.
[[nodiscard]] std::vector<int> nodes_of(const Communicator& ranks);

/// Ranks of a node, when every node has as many of them and they are neighbours in rank order.
/// @param nodes  of each rank, as nodes_of names them
/// @return 0 when it is not so
[[nodiscard]] int ranks_per_node(const std::vector<int>& nodes);

}  // namespace ringworld
