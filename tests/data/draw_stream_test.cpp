#include "data/draw_stream.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "tasks/needle/format.hpp"

namespace ringworld::test {
namespace {

TEST(DrawStream, NamesSeedAndPurposeAllMatter) {
  constexpr std::int64_t bound = std::int64_t{1} << 60U;
  std::set<std::int64_t> firsts;
  for (const std::uint64_t seed : {0U, 1U}) {
    for (const auto purpose : {DrawPurpose::needle_sequence, DrawPurpose::text_targets}) {
      firsts.insert(DrawStream(seed, purpose, {}).below(bound));
      for (const std::uint64_t stage : {0U, 1U}) {
        firsts.insert(DrawStream(seed, purpose, {stage}).below(bound));
        for (const std::uint64_t row : {0U, 1U, 2U}) {
          firsts.insert(DrawStream(seed, purpose, {stage, row}).below(bound));
        }
      }
    }
  }
  EXPECT_EQ(firsts.size(), 4U * (1 + 2 + 6));
}

TEST(DrawStream, TheSameNameGivesTheSameDraws) {
  DrawStream one(5, DrawPurpose::needle_trial, {1, 2, 3});
  DrawStream other(5, DrawPurpose::needle_trial, {1, 2, 3});
  for (int draw = 0; draw < 100; ++draw) {
    EXPECT_EQ(one.unit(), other.unit());
  }
}

TEST(DrawDistinct, GivesEveryMemberEquallyOftenAtEveryPlace) {
  constexpr std::int64_t bound = 6;
  constexpr int repeats = 6000;
  std::vector<std::vector<int>> times(3, std::vector<int>(bound));
  for (std::uint64_t repeat = 0; repeat < repeats; ++repeat) {
    DrawStream draws(1, DrawPurpose::needle_sequence, {repeat});
    const auto drawn = draw_distinct(3, bound, draws);
    ASSERT_EQ(std::set(drawn.begin(), drawn.end()).size(), 3U);
    for (std::size_t place = 0; place < 3; ++place) {
      ++times[place][static_cast<std::size_t>(drawn[place])];
    }
  }
  for (const auto& place : times) {
    for (const int count : place) {
      EXPECT_NEAR(count, static_cast<double>(repeats) / bound, 150) << "five standard deviations are 144";
    }
  }
}

TEST(DrawDistinct, OfAllIsAPermutation) {
  DrawStream draws(1, DrawPurpose::needle_sequence, {});
  auto drawn = draw_distinct(50, 50, draws);
  EXPECT_FALSE(std::ranges::is_sorted(drawn));
  std::ranges::sort(drawn);
  for (std::int64_t index = 0; index < 50; ++index) {
    EXPECT_EQ(drawn[static_cast<std::size_t>(index)], index);
  }
}

}  // namespace
}  // namespace ringworld::test
