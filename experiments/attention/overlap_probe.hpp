#pragma once
/// @file  How much of a ring's communication does compute hide? Each hop measured three ways: its compute alone, its
/// transfer alone, and both.

#include <cstdint>
#include <vector>

#include "experiments/attention/rows.hpp"
#include "experiments/common/point_data.hpp"

namespace ringworld {

/// A row and its arrays, each (ranks, steps).
struct OverlapProbe {
  OverlapRow row;
  std::vector<float> t_compute;
  std::vector<float> t_comm;
  std::vector<float> t_both;
  std::vector<std::int64_t> bytes;
};

/// Probes the hops of the backward pass when the plan is for that alone, else of the forward pass. In the forward
/// pass ranks start every step together, so that a slow neighbour is not taken for a slow link; but not the steps that a
/// transfer spans, as the outer one of a double ring does.
/// Collective over the ring, which has run the pass before. Returns the figures of all ranks on the root, and those of
/// the calling rank elsewhere; `attention_row` and `first` are left 0.
[[nodiscard]] OverlapProbe probe_overlap(PointData& data, std::int64_t repeats);

}  // namespace ringworld
