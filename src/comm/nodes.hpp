#pragma once
/// @file  Which ranks share a node.

#include <optional>
#include <vector>

#include "comm/communicator.hpp"

namespace ringworld {

/// The value of RINGWORLD_RANKS_PER_NODE, if it is set: so many ranks of the job, one after another, then count as one
/// node. It is meant for plans of ranks that are not there, for launchers that hide the nodes, and for tests on one
/// node. It changes what is counted and which neighbours form a ring, not how bytes travel.
/// @throws Error(bad_input) when it is not a positive number
[[nodiscard]] std::optional<int> given_ranks_per_node();

/// The node of each rank, named by its lowest rank: {0, 0, 2, 2} for two nodes of two. Collective. Ranks that are not
/// there (Communicator::pretended) count as each on a node of its own, unless given_ranks_per_node says otherwise.
[[nodiscard]] std::vector<int> nodes_of(const Communicator& ranks);

/// The node of each of `ranks` ranks when `ranks_per_node` of them, one after another, share one.
[[nodiscard]] std::vector<int> nodes_of_equal_size(int ranks, int ranks_per_node);

/// Ranks of a node, when every node has as many of them and they are neighbours in rank order.
/// @param nodes  of each rank, as nodes_of names them
/// @return 0 when it is not so
[[nodiscard]] int ranks_per_node(const std::vector<int>& nodes);

}  // namespace ringworld
