#pragma once
/// @file  Runs one point of a sweep: warm-up, timed repeats, check, counts. What fails becomes a row with a reason.

#include <vector>

#include "experiments/attention/config.hpp"
#include "experiments/attention/rows.hpp"

namespace ringworld {

struct PointResult {
  AttentionRow row;
  std::vector<SampleRow> samples;
  std::vector<HopRow> hops;
};

/// Whether a row holds a wrong answer or count, as opposed to none for want of memory or time.
[[nodiscard]] bool has_failed_check(const AttentionRow& row);

/// The columns that are known before the point runs; they also tell whether a record holds the point already.
[[nodiscard]] AttentionRow describe_point(const SweepPoint& point, std::int64_t seed);

/// True when the rows are of the same point.
[[nodiscard]] bool is_same_point(const AttentionRow& a, const AttentionRow& b);

/// What one rank could do at most in the point's type.
struct MeasuredPeak {
  double flops_per_second = 0;          ///< measured with all ranks of the ring at work
  double nominal_flops_per_second = 0;  ///< 0: unknown
};

/// Collective over `ring`, whose size is that of the point. The result is whole on the root only.
[[nodiscard]] PointResult run_point(const Communicator& ring, const SweepPoint& point, const SweepOptions& values,
                                    const MeasuredPeak& peak);

}  // namespace ringworld
