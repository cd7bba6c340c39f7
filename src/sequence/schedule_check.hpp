#pragma once
/// @file  Whether a schedule fits a problem and a number of ranks, and what it leaves open.

#include <vector>

#include "comm/communicator.hpp"
#include "kernels/attention/attention_problem.hpp"
#include "sequence/partition.hpp"
#include "sequence/schedule.hpp"

namespace ringworld {

/// @param ranks  of the sequence, P
/// @throws Error(bad_input) naming the parameter that does not fit and the nearest that does
void check_schedule(const Schedule& schedule, const AttentionProblem& problem, Layout layout, bool is_causal,
                    std::int64_t ranks);

/// The same schedule with the window that it leaves to the nodes of these ranks. Collective for a double ring without a
/// window.
/// @throws Error(bad_input) when ranks are not spread evenly over nodes, in their order, or heads are exchanged among
/// ranks that neither share out a node nor fill whole nodes
[[nodiscard]] Schedule with_window(Schedule schedule, const Communicator& ranks);
/// The same for ranks whose nodes are known (comm/nodes.hpp). Not collective.
[[nodiscard]] Schedule with_window(Schedule schedule, const std::vector<int>& nodes);

}  // namespace ringworld
