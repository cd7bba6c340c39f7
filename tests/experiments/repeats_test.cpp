#include "experiments/common/repeats.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "experiments/common/option_values.hpp"

namespace ringworld::test {
namespace {

std::vector<double> counted(int samples) {
  std::vector<double> values;
  for (int value = 1; value <= samples; ++value) {
    values.push_back(value);
  }
  return values;
}

/// Calls has_enough_repeats as a run does; @return how often the pass was timed
template <class Draw>
std::int64_t repeats_of(Repeats wanted, double seconds, Draw&& draw) {
  std::vector<double> samples;
  while (!has_enough_repeats(wanted, seconds, samples)) {
    samples.push_back(draw());
  }
  return std::ssize(samples);
}

TEST(MedianInterval, IsThatOfTheTables) {
  // David and Nagaraja, table of 95 % intervals of the median: ranks 1 and 6, 1 and 8, 2 and 9, 6 and 15, 10 and 21.
  for (const auto& [samples, low] : {std::pair(6, 1), {8, 1}, {9, 2}, {10, 2}, {20, 6}, {30, 10}, {100, 40}}) {
    const MedianInterval interval = median_interval(counted(samples));
    EXPECT_EQ(interval.low, low) << samples;
    EXPECT_EQ(interval.high, samples + 1 - low) << samples;
    EXPECT_EQ(interval.median, 0.5 * (samples + 1));
  }
}

TEST(MedianInterval, OfManySamplesIsTheOneOfTheNormalDistribution) {
  const MedianInterval exact = median_interval(counted(500));
  const MedianInterval approximate = median_interval(counted(501));
  EXPECT_NEAR(exact.low, approximate.low, 1.5);
  EXPECT_NEAR(exact.high, approximate.high - 1, 1.5);
}

TEST(MedianInterval, HoldsTheMedianAsOftenAsItSays) {
  std::mt19937 random(1);
  std::exponential_distribution<double> skewed;
  constexpr int runs = 2000;
  int held = 0;
  for (int run = 0; run < runs; ++run) {
    std::vector<double> samples(15);
    std::ranges::generate(samples, [&] { return skewed(random); });
    const MedianInterval interval = median_interval(samples);
    held += interval.low <= std::log(2.0) && std::log(2.0) <= interval.high ? 1 : 0;
  }
  EXPECT_GE(held, runs * 94 / 100);
}

TEST(Repeats, AutomaticOnesEndWhenTheMedianIsKnown) {
  EXPECT_EQ(repeats_of(Repeats::automatic(), 1e9, [] { return 1.0; }), 7);
  std::mt19937 random(2);
  std::normal_distribution<double> spread(1, 0.05);
  const std::int64_t repeats = repeats_of(Repeats::automatic(), 1e9, [&] { return spread(random); });
  EXPECT_GT(repeats, 10);
  EXPECT_LT(repeats, 100);
}

TEST(Repeats, AutomaticOnesEndWithTheirTime) {
  int count = 0;
  const auto jumping = [&] { return ++count % 2 == 0 ? 1.0 : 2.0; };
  EXPECT_EQ(repeats_of(Repeats::automatic(), 20, jumping), 13);  // 7 times 2 s and 6 times 1 s
  EXPECT_EQ(repeats_of(Repeats::automatic(), 1, jumping), 5) << "the fewest";
  EXPECT_EQ(repeats_of(Repeats::automatic(), 1e9, jumping), 200) << "the most";
}

TEST(Repeats, ThatAreCountedAreMade) {
  EXPECT_EQ(repeats_of(3, 0, [] { return 1.0; }), 3);
  EXPECT_EQ(repeats_of(1000, 0, [] { return 1.0; }), 1000);
}

TEST(Repeats, AreNoisyWhenTheirMedianIsNotKnown) {
  EXPECT_FALSE(is_noisy(std::vector{1.0}));
  EXPECT_FALSE(is_noisy(std::vector{1.0, 1.01, 0.99}));
  EXPECT_TRUE(is_noisy(std::vector{1.0, 1.05, 0.99}));
  // One of nine may be far off.
  EXPECT_FALSE(is_noisy(std::vector{1.0, 1.0, 1.01, 0.99, 1.0, 1.0, 1.01, 0.99, 5.0}));
}

TEST(Repeats, AreReadAndWritten) {
  Repeats value = 3;
  read_value("--repeats", "auto", value);
  EXPECT_TRUE(value.is_automatic);
  EXPECT_EQ(toml_value(value), "\"auto\"");
  read_value("--repeats", "12", value);
  EXPECT_FALSE(value.is_automatic);
  EXPECT_EQ(toml_value(value), "12");
  EXPECT_THROW(read_value("--repeats", "many", value), Error);
}

}  // namespace
}  // namespace ringworld::test
