#pragma once
/// @file  How much of a ring's communication does compute hide? Each hop measured three ways: its compute alone, its
/// transfer alone, and both.

#include <cstdint>
#include <vector>

#include "experiments/attention/point_data.hpp"
#include "experiments/attention/rows.hpp"

namespace ringworld {

/// Probes the hops of the backward pass when the plan is for that alone, else of the forward pass. In the forward
/// pass ranks start every step together, so that a slow neighbour is not taken for a slow link.
/// Collective over the ring, which has run the pass before. Returns all ranks' hops, on every rank; `attention_row` is
/// left 0.
[[nodiscard]] std::vector<HopRow> probe_overlap(PointData& data, std::int64_t repeats);

/// The hidden share of a hop: 1 = all of the smaller of compute and transfer, 0 = none; 0 when either took no time.
[[nodiscard]] double overlap_of(double t_compute, double t_comm, double t_both);

}  // namespace ringworld
