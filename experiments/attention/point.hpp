#pragma once
/// @file  Runs one point of a sweep: warm-up, timed repeats, check, counts. A failed point becomes a row with a reason.

#include <optional>
#include <vector>

#include "experiments/attention/config.hpp"
#include "experiments/attention/overlap_probe.hpp"
#include "experiments/attention/rows.hpp"

namespace ringworld {

struct PointResult {
  AttentionRow row;
  std::vector<SampleRow> samples;
  std::optional<OverlapProbe> overlap;
};

/// The columns that are known before the point runs, all its keys among them.
[[nodiscard]] AttentionRow describe_point(const SweepPoint& point, const SweepOptions& values);

/// What one rank could do at most in the point's type.
struct MeasuredPeak {
  double flops_per_second = 0;          ///< measured with all ranks of the ring at work
  double nominal_flops_per_second = 0;  ///< 0: unknown
};

/// Collective over `ring`, whose size is that of the point. The result is whole on the root only.
[[nodiscard]] PointResult run_point(const Communicator& ring, const SweepPoint& point, const SweepOptions& values,
                                    const MeasuredPeak& peak);

}  // namespace ringworld
