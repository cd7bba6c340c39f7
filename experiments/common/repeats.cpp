#include "experiments/common/repeats.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/error.hpp"
#include "experiments/common/option_values.hpp"
#include "perf/samples.hpp"

namespace ringworld {
namespace {

constexpr std::int64_t least_repeats = 5;
constexpr std::int64_t least_to_judge = 7;  // what `ringworld_analysis compare` needs to tell a change from noise
constexpr std::int64_t most_repeats = 200;
constexpr std::int64_t most_counted_exactly = 500;

/// The largest k for which 2 P(B < k) <= 5 %; 0 for fewer than 6 samples, which have none.
std::int64_t rank_of_bound(std::int64_t samples) {
  constexpr double wanted = 0.025;
  if (samples > most_counted_exactly) {
    const auto count = static_cast<double>(samples);
    return static_cast<std::int64_t>(std::floor(0.5 * count - 0.98 * std::sqrt(count)));  // normal approximation
  }
  double term = std::pow(0.5, static_cast<double>(samples));  // P(B = 0)
  double below = 0;
  std::int64_t k = 0;
  while (below + term <= wanted) {
    below += term;
    ++k;
    term *= static_cast<double>(samples - k + 1) / static_cast<double>(k);
  }
  return k;
}

}  // namespace

void read_value(const std::string& source, const std::string& word, Repeats& value) {
  if (word == "auto") {
    value = Repeats::automatic();
    return;
  }
  std::int64_t count = 0;
  read_value(source, word, count);
  value = count;
}

std::string toml_value(const Repeats& value) {
  return value.is_automatic ? toml_value(std::string("auto")) : toml_value(value.count);
}

double MedianInterval::relative_half_width() const { return std::max(high - median, median - low) / median; }

MedianInterval median_interval(std::span<const double> samples) {
  const double median = summarize(samples).median;
  std::vector<double> sorted(samples.begin(), samples.end());
  std::ranges::sort(sorted);
  const std::int64_t outside = std::max<std::int64_t>(rank_of_bound(std::ssize(sorted)) - 1, 0);
  return {.low = sorted[static_cast<std::size_t>(outside)],
          .median = median,
          .high = sorted[sorted.size() - 1 - static_cast<std::size_t>(outside)]};
}

bool is_noisy(std::span<const double> samples) {
  return !samples.empty() && !(median_interval(samples).relative_half_width() <= wanted_half_width);
}

bool has_enough_repeats(Repeats wanted, double seconds, std::span<const double> samples) {
  const std::int64_t done = std::ssize(samples);
  if (!wanted.is_automatic) {
    return done >= wanted.count;
  }
  if (done >= most_repeats || (done >= least_to_judge && !is_noisy(samples))) {
    return true;
  }
  return done >= least_repeats && std::accumulate(samples.begin(), samples.end(), 0.0) >= seconds;
}

}  // namespace ringworld
