#include "eval/wilson_interval.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace ringworld {

Interval wilson_interval(std::int64_t hits, std::int64_t trials) {
  require_input(hits >= 0 && hits <= trials, fmt::format("{} hits of {} trials: 0 to all", hits, trials));
  if (trials == 0) {
    return {};
  }
  constexpr double z = 1.959963984540054;  // 97.5 % of the normal distribution lies below
  const auto n = static_cast<double>(trials);
  const double share = static_cast<double>(hits) / n;
  const double scale = 1 / (1 + z * z / n);
  const double centre = scale * (share + z * z / (2 * n));
  const double half = scale * z * std::sqrt(share * (1 - share) / n + z * z / (4 * n * n));
  // The ends at no hit and at all hits are exact; rounding would leave them off by an ulp.
  return {.low = hits == 0 ? 0.0 : std::max(0.0, centre - half),
          .high = hits == trials ? 1.0 : std::min(1.0, centre + half)};
}

}  // namespace ringworld
