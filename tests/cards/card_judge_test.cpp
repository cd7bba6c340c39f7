#include "cards/card_judge.hpp"

#include <gtest/gtest.h>

#include "cards/handwriting.hpp"

namespace ringworld::test {
namespace {

TEST(CardJudge, ReadsCleanHeldOutFrames) {
  RINGWORLD_NEEDS_DIGITS();
  const CardWorld world(RINGWORLD_DIGITS_CSV, {});
  const CardJudge judge(world);
  std::vector<float> pixels(static_cast<std::size_t>(world.frame_size()));
  DrawStream draws(1, DrawPurpose::card_trial, {});
  int digits = 0;
  for (std::int64_t glyph = 0; glyph < world.glyphs(CardSplit::evaluation); ++glyph) {
    CardFrame frame = world.draw_frame(CardSplit::evaluation, draws, 0);
    frame.object.glyph = glyph;
    frame.object.name = world.digit(CardSplit::evaluation, glyph);
    world.paint(frame, pixels);
    const CardReading reading = judge.read(pixels);
    EXPECT_EQ(reading.colour, frame.object.colour) << glyph;
    EXPECT_EQ(reading.cell, frame.cell) << glyph;
    digits += reading.digit == frame.object.name ? 1 : 0;
  }
  EXPECT_GE(digits, 0.97 * 299);
  EXPECT_LT(digits, 299);  // it is a nearest neighbour, not the answer looked up
}

TEST(CardJudge, SeesTheSameDigitInVariantsOfHandwriting) {
  RINGWORLD_NEEDS_DIGITS();
  const CardWorld world(RINGWORLD_DIGITS_CSV, {.variants = 3, .variant_seed = 5});
  const CardJudge judge(world);
  std::vector<float> pixels(static_cast<std::size_t>(world.frame_size()));
  int digits = 0;
  int variants = 0;
  for (std::int64_t glyph = world.originals(CardSplit::training); glyph < world.glyphs(CardSplit::training);
       glyph += 7) {
    const std::int64_t digit = world.digit(CardSplit::training, glyph);
    world.paint({.object = {.colour = glyph % 6, .name = digit, .glyph = glyph}, .cell = 4}, pixels);
    digits += judge.read(pixels).digit == digit ? 1 : 0;
    ++variants;
  }
  EXPECT_GE(digits, 0.96 * variants);
  EXPECT_LT(digits, variants);  // they are not the glyphs that the judge knows
}

TEST(CardJudge, KnowsTheTrainingHandwritingByHeart) {
  const CardWorld world = small_world();
  const CardJudge judge(world);
  std::vector<float> pixels(static_cast<std::size_t>(world.frame_size()));
  for (std::int64_t glyph = 0; glyph < world.glyphs(CardSplit::training); ++glyph) {
    const CardFrame frame{
        .object = {.colour = glyph % 6, .name = world.digit(CardSplit::training, glyph), .glyph = glyph},
        .cell = glyph % 9};
    world.paint(frame, pixels);
    EXPECT_EQ(judge.read(pixels),
              (CardReading{.colour = frame.object.colour, .cell = frame.cell, .digit = frame.object.name}));
  }
}

TEST(CardJudge, SeesWhiteShapesAndTheirCells) {
  const CardWorld world = small_world({.frame_side = 64});
  const CardJudge judge(world);
  std::vector<float> pixels(static_cast<std::size_t>(world.frame_size()));
  for (std::int64_t cell = 0; cell < card_cells; ++cell) {
    for (std::int64_t shape = 0; shape < 6; ++shape) {
      world.paint({.object = {.kind = CardKind::shape, .colour = 6, .name = shape, .glyph = shape}, .cell = cell},
                  pixels);
      EXPECT_EQ(judge.read(pixels).colour, card_shape_colour);
      EXPECT_EQ(judge.read(pixels).cell, cell);
    }
  }
}

TEST(CardJudge, ReadsThroughALittleNoiseAndGivesAnAnswerForAnyPicture) {
  const CardWorld world = small_world();
  const CardJudge judge(world);
  std::vector<float> pixels(static_cast<std::size_t>(world.frame_size()));
  const CardFrame frame{.object = {.colour = 4, .name = 6, .glyph = 5}, .cell = 2};
  world.paint(frame, pixels);
  DrawStream draws(1, DrawPurpose::card_trial, {});
  for (float& pixel : pixels) {
    pixel = 0.8F * pixel + 0.2F * static_cast<float>(draws.unit() - 0.5);
  }
  EXPECT_EQ(judge.read(pixels), (CardReading{.colour = 4, .cell = 2, .digit = 6}));
  std::ranges::fill(pixels, -1.0F);
  EXPECT_EQ(judge.read(pixels).cell, 0);  // black: nothing is brighter than the first cell
}

}  // namespace
}  // namespace ringworld::test
