#include "experiments/common/time_left.hpp"

#include <algorithm>
#include <numeric>

namespace ringworld {
namespace {

struct Line {
  double constant = 0;
  double slope = 0;
};

/// The line with the smallest sum of squares among those that neither begin below zero nor fall.
Line fit(std::span<const DonePoint> done) {
  const auto count = static_cast<double>(done.size());
  double work = 0;
  double seconds = 0;
  double work_squared = 0;
  double work_seconds = 0;
  for (const DonePoint& point : done) {
    work += point.work;
    seconds += point.seconds;
    work_squared += point.work * point.work;
    work_seconds += point.work * point.seconds;
  }
  const double spread = count * work_squared - work * work;
  const Line through_mean{.constant = seconds / count, .slope = 0};
  if (spread <= 1e-9 * count * work_squared) {
    return through_mean;
  }
  const double slope = (count * work_seconds - work * seconds) / spread;
  const double constant = (seconds - slope * work) / count;
  if (slope < 0) {
    return through_mean;
  }
  return constant < 0 ? Line{.constant = 0, .slope = work_seconds / work_squared}
                      : Line{.constant = constant, .slope = slope};
}

}  // namespace

std::optional<double> seconds_left(std::span<const DonePoint> done, std::span<const double> left) {
  if (done.size() < 2) {
    return std::nullopt;
  }
  // A line that was fitted to small points says little of those that are many times as large.
  constexpr double farthest = 20;
  const double largest = std::ranges::max_element(done, {}, &DonePoint::work)->work;
  if (std::ranges::any_of(left, [&](double work) { return work > farthest * largest; })) {
    return std::nullopt;
  }
  const auto [constant, slope] = fit(done);
  return std::accumulate(left.begin(), left.end(), 0.0,
                         [&](double sum, double work) { return sum + constant + slope * work; });
}

}  // namespace ringworld
