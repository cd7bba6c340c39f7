#include "cards/part_tally.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace ringworld::test {
namespace {

constexpr CardObject red_seven{.colour = 0, .name = 7};

std::vector<CardReading> readings(const std::vector<std::int64_t>& cells, std::int64_t colour = 0,
                                  std::int64_t digit = 7) {
  std::vector<CardReading> frames;
  for (const std::int64_t cell : cells) {
    frames.push_back({.colour = colour, .cell = cell, .digit = digit});
  }
  return frames;
}

PartCount count_of(const PartTally& tally, std::string_view part) {
  for (const PartCount& count : tally.parts()) {
    if (count.part == part) {
      return count;
    }
  }
  return {};
}

TEST(PartTally, CountsPartsInTheOrderOfTheirFirstAnswer) {
  PartTally tally;
  tally.add("digit", true);
  tally.add("colour", false);
  tally.add("digit", false);
  EXPECT_EQ(tally.parts(), (std::vector<PartCount>{{"digit", 1, 2}, {"colour", 0, 1}}));
  EXPECT_EQ(tally.share("digit"), 0.5);
  EXPECT_TRUE(std::isnan(tally.share("cell")));
}

TEST(PartTally, AnImageIsRightWhenAllItsPartsAre) {
  PartTally tally;
  const CardFrame asked{.object = red_seven, .cell = 4};
  EXPECT_TRUE(add_image(asked, {.colour = 0, .cell = 4, .digit = 7}, tally));
  EXPECT_FALSE(add_image(asked, {.colour = 1, .cell = 4, .digit = 7}, tally));
  EXPECT_FALSE(add_image(asked, {.colour = 0, .cell = 5, .digit = 7}, tally));
  EXPECT_FALSE(add_image(asked, {.colour = 0, .cell = 4, .digit = 1}, tally));
  EXPECT_EQ(tally.parts(), (std::vector<PartCount>{{"colour", 3, 4}, {"digit", 3, 4}, {"cell", 3, 4}, {"all", 1, 4}}));
}

TEST(PartTally, AClipGoesItsWayInEveryStepOrAtLeastOnTheWhole) {
  const CardClip rightwards{.object = red_seven, .direction = 0, .lane = 1};
  PartTally tally;
  EXPECT_TRUE(add_clip(rightwards, readings({3, 4, 5}), tally));
  EXPECT_EQ(count_of(tally, "every_step").hits, 1);
  EXPECT_FALSE(add_clip(rightwards, readings({3, 3, 5}), tally));  // stands still, then jumps
  EXPECT_EQ(count_of(tally, "every_step").hits, 1);
  EXPECT_EQ(count_of(tally, "net_direction").hits, 2);
  EXPECT_FALSE(add_clip(rightwards, readings({3, 4, 8}), tally));  // leaves its lane
  EXPECT_EQ(count_of(tally, "net_direction").hits, 2);
  EXPECT_FALSE(add_clip(rightwards, readings({5, 4, 3}), tally));  // the other way
  EXPECT_EQ(count_of(tally, "net_direction").hits, 2);
  EXPECT_FALSE(add_clip(rightwards, readings({3, 4, 5}, 0, 1), tally));  // another digit
  EXPECT_EQ(count_of(tally, "every_step").hits, 2);
  EXPECT_EQ(count_of(tally, "all"), (PartCount{"all", 1, 5}));
  EXPECT_EQ(count_of(tally, "digit"), (PartCount{"digit", 12, 15}));
}

TEST(PartTally, EveryDirectionOfAClipIsKnown) {
  for (std::int64_t direction = 0; direction < 4; ++direction) {
    for (std::int64_t lane = 0; lane < 3; ++lane) {
      const CardClip clip{.object = red_seven, .direction = direction, .lane = lane};
      const std::vector<CardReading> shown = readings({clip.cell(0), clip.cell(1), clip.cell(2)});
      PartTally tally;
      EXPECT_TRUE(add_clip(clip, shown, tally));
      EXPECT_EQ(read_caption(shown).direction, direction);
    }
  }
}

TEST(PartTally, ACaptionSaysWhatMostFramesShow) {
  std::vector<CardReading> frames = readings({0, 1, 2});
  frames[0] = {.colour = 3, .cell = 0, .digit = 1};
  EXPECT_EQ(read_caption(frames), (CaptionReading{.colour = 0, .digit = 7, .cell = 0, .direction = 0}));
  EXPECT_EQ(read_caption(readings({4, 4, 4})).direction, -1);
  EXPECT_EQ(read_caption(readings({0, 4, 8})).direction, -1);  // both down and to the right
}

}  // namespace
}  // namespace ringworld::test
