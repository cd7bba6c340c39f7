#include "perf/link_fit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"

namespace ringworld {

LinkFit fit_link(std::span<const LinkSample> samples) {
  // Minimises the sum of (latency x + slope y - 1)^2, with x = 1 / seconds and y = bytes / seconds.
  double xx = 0;
  double xy = 0;
  double yy = 0;
  double x1 = 0;
  double y1 = 0;
  bool has_two_lengths = false;
  for (const LinkSample& sample : samples) {
    require(sample.seconds > 0 && sample.bytes >= 0, "a transfer's time is positive");
    has_two_lengths = has_two_lengths || sample.bytes != samples.front().bytes;
    const double x = 1 / sample.seconds;
    const double y = sample.bytes / sample.seconds;
    xx += x * x;
    xy += x * y;
    yy += y * y;
    x1 += x;
    y1 += y;
  }
  require(has_two_lengths, "latency and bandwidth need transfers of two lengths");
  const double determinant = xx * yy - xy * xy;
  double latency = (x1 * yy - y1 * xy) / determinant;
  double slope = (y1 * xx - x1 * xy) / determinant;
  if (latency < 0) {
    latency = 0;
    slope = y1 / yy;
  } else if (slope < 0) {
    latency = x1 / xx;
    slope = 0;
  }
  LinkFit fit{.latency = latency, .bytes_per_second = slope > 0 ? 1 / slope : std::numeric_limits<double>::infinity()};
  for (const LinkSample& sample : samples) {
    const double fitted = latency + slope * sample.bytes;
    fit.largest_error = std::max(fit.largest_error, std::abs(fitted - sample.seconds) / sample.seconds);
  }
  return fit;
}

}  // namespace ringworld
