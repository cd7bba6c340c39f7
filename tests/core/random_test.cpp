#include "core/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <set>
#include <vector>

namespace ringworld::test {
namespace {

using Words = std::array<std::uint32_t, 4>;

TEST(CounterRng, EqualsThePublishedPhiloxVectors) {
  // Random123, kat_vectors, philox4x32 with 10 rounds. The counter is (index, stream), low words first; the key is
  // the seed.
  EXPECT_EQ(CounterRng(0, 0).words(0), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr std::uint64_t ones = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(CounterRng(ones, ones).words(ones), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(CounterRng(0x299f31d0a4093822, 0x0370734413198a2e).words(0x85a308d3243f6a88),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(CounterRng, DoesNotDependOnTheOrderOfDraws) {
  const CounterRng rng(5, 7);
  std::vector<Words> forward;
  for (std::uint64_t index = 0; index < 100; ++index) {
    forward.push_back(rng.words(index));
  }
  for (std::uint64_t index = 100; index-- > 0;) {
    EXPECT_EQ(CounterRng(5, 7).words(index), forward[index]);
  }
}

TEST(CounterRng, SeedsStreamsAndIndicesAllMatter) {
  std::set<Words> drawn;
  constexpr std::uint64_t high_word = std::uint64_t{1} << 32U;
  const std::array<std::uint64_t, 4> values{0, 1, high_word, high_word + 1};
  for (const std::uint64_t seed : values) {
    for (const std::uint64_t stream : values) {
      for (const std::uint64_t index : values) {
        drawn.insert(CounterRng(seed, stream).words(index));
      }
    }
  }
  EXPECT_EQ(drawn.size(), 64U);
}

TEST(CounterRng, UnitNumbersAreNeverZeroAndAtMostOne) {
  EXPECT_EQ(CounterRng::to_unit(0), 0x1.0p-24F);
  EXPECT_EQ(CounterRng::to_unit(std::numeric_limits<std::uint32_t>::max()), 1.0F);
}

TEST(CounterRng, NormalsHaveTheMomentsOfTheNormalDistribution) {
  // One million numbers: the standard errors of the moments below are 0.001, 0.0014, 0.0024 and 0.01.
  constexpr std::uint64_t draws = 250'000;
  const CounterRng rng(1, 2);
  std::array<double, 5> moments{};
  double product = 0;
  for (std::uint64_t index = 0; index < draws; ++index) {
    const auto numbers = rng.normals(index);
    product += static_cast<double>(numbers[0]) * static_cast<double>(numbers[1]);
    for (const float number : numbers) {
      double power = 1;
      for (double& moment : moments) {
        moment += power;
        power *= static_cast<double>(number);
      }
    }
  }
  constexpr auto count = static_cast<double>(4 * draws);
  EXPECT_EQ(moments[0], count);
  EXPECT_NEAR(moments[1] / count, 0.0, 0.005);
  EXPECT_NEAR(moments[2] / count, 1.0, 0.007);
  EXPECT_NEAR(moments[3] / count, 0.0, 0.02);
  EXPECT_NEAR(moments[4] / count, 3.0, 0.05);
  EXPECT_NEAR(product / draws, 0.0, 0.01) << "the two numbers of a pair are correlated";
}

TEST(CounterRng, NormalsAreFinite) {
  const CounterRng rng(9, 0);
  for (std::uint64_t index = 0; index < 100'000; ++index) {
    for (const float number : rng.normals(index)) {
      ASSERT_TRUE(std::isfinite(number));
      ASSERT_LE(std::abs(number), 6.0F) << "sqrt(-2 log 2^-24) is 5.77";
    }
  }
}

TEST(CounterRng, IntegersFillTheRangeEvenly) {
  const CounterRng rng(4, 0);
  constexpr std::uint64_t bound = 7;
  constexpr std::uint64_t draws = 70'000;
  std::array<int, bound> counts{};
  for (std::uint64_t index = 0; index < draws; ++index) {
    const std::uint64_t number = rng.integer(index, bound);
    ASSERT_LT(number, bound);
    ++counts[number];
  }
  for (const int count : counts) {
    EXPECT_NEAR(count, 10'000, 500) << "five standard deviations are 460";
  }
}

TEST(CounterRng, IntegersReachLargeBounds) {
  const CounterRng rng(4, 0);
  constexpr std::uint64_t bound = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t largest = 0;
  for (std::uint64_t index = 0; index < 1000; ++index) {
    EXPECT_EQ(rng.integer(index, 1), 0U);
    largest = std::max(largest, rng.integer(index, bound));
  }
  EXPECT_GT(largest, bound / 2);
}

}  // namespace
}  // namespace ringworld::test
