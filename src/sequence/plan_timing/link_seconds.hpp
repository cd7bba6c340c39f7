#pragma once
/// @file  Seconds of what several ranks do at once, and the link that ranks of some nodes need.

#include <vector>

#include "sequence/plan_time.hpp"

namespace ringworld::plan_timing {

/// The link between ranks of these nodes: the slowest that it needs.
[[nodiscard]] const LinkTime& link_of(const PlanRates& rates, bool is_between_nodes);

[[nodiscard]] bool span_nodes(const std::vector<int>& nodes);

/// @param bytes  that the busiest rank must send or receive
[[nodiscard]] double group_seconds(const PlanRates& rates, GroupMotion motion, int ranks, bool is_between_nodes,
                                   double bytes);

}  // namespace ringworld::plan_timing
