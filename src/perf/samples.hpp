#pragma once
/// @file  Summary of repeated measurements: median, smallest and largest value.

#include <algorithm>
#include <span>
#include <vector>

#include "core/error.hpp"

namespace ringworld {

struct SampleSummary {
  double median = 0;
  double min = 0;
  double max = 0;
};

/// @throws Error when there are no samples.
[[nodiscard]] inline SampleSummary summarize(std::span<const double> samples) {
  require(!samples.empty(), "no samples to summarize");
  std::vector<double> sorted(samples.begin(), samples.end());
  std::ranges::sort(sorted);
  const std::size_t middle = sorted.size() / 2;
  const bool is_odd = sorted.size() % 2 == 1;
  return {.median = is_odd ? sorted[middle] : 0.5 * (sorted[middle - 1] + sorted[middle]),
          .min = sorted.front(),
          .max = sorted.back()};
}

}  // namespace ringworld
