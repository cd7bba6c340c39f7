#pragma once
/// @file  Rates of the block kernel and of hops, as the ranks of a point reach them together.

#include "comm/communicator.hpp"
#include "experiments/attention/config.hpp"
#include "perf/rate_table.hpp"
#include "sequence/plan_time.hpp"

namespace ringworld {

/// The passes of a point, as predictions take them.
[[nodiscard]] TimedPass timed_pass_of(const SweepPoint& point);

/// Adds what the point needs and the table has not: the rate of each shape of block that any rank computes, that of
/// hops of the point's length on each level of links, and that of memory, where the host computes. Every rank measures
/// at the same time as the others, and the slowest one counts.
/// Collective over `ring`. Ends with the same table on every rank.
void measure_rates(const Communicator& ring, const SweepPoint& point, RateTable& table);

}  // namespace ringworld
