#pragma once
/// @file  How often a pass is timed: a number, or until its median is known well enough.
///
/// The interval of a median is that of order statistics: of n samples in order, the k-th smallest and the k-th largest
/// hold the median of their distribution between them with probability 1 - 2 P(B < k), B binomial (n, 1/2), whatever
/// the distribution is. Nothing is dropped.
/// Source: H. A. David and H. N. Nagaraja, "Order Statistics", 3rd edition, 2003, section 7.1.

#include <cstdint>
#include <span>
#include <string>

namespace ringworld {

/// The value of `--repeats`: a number, or `auto`.
struct Repeats {
  std::int64_t count = 0;  ///< 0: auto

  Repeats() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): a number is a number of repeats.
  Repeats(std::int64_t number) : count(number), is_automatic(false) {}
  [[nodiscard]] static Repeats automatic() { return {}; }

  bool is_automatic = true;
};

/// As of the other types of options (option_values.hpp).
void read_value(const std::string& source, const std::string& word, Repeats& value);
[[nodiscard]] std::string toml_value(const Repeats& value);

/// Where the median lies.
struct MedianInterval {
  double low = 0;
  double median = 0;
  double high = 0;

  /// The larger of its distances from the median, as a share of the median.
  [[nodiscard]] double relative_half_width() const;
};

/// The 95 % interval; of fewer than 6 samples their range, which holds the median less surely.
/// @throws Error when there are no samples.
[[nodiscard]] MedianInterval median_interval(std::span<const double> samples);

/// Largest relative half width of an interval that counts as known.
constexpr double wanted_half_width = 0.02;

/// Whether the median of these samples is known less well than that. One sample cannot tell, and says no.
[[nodiscard]] bool is_noisy(std::span<const double> samples);

/// Whether enough was timed. A pure function of the samples: ranks that hold the same samples stop together.
/// Automatic: at least 7 repeats until the interval is narrow enough; at least 5 when their sum has reached `seconds`;
/// 200 at most.
[[nodiscard]] bool has_enough_repeats(Repeats wanted, double seconds, std::span<const double> samples);

}  // namespace ringworld
