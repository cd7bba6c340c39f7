#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "cards/card_frames.hpp"
#include "cards/handwriting.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

DrawStream stream(std::uint64_t name) { return {3, DrawPurpose::card_trial, {name}}; }

std::vector<float> painted(const CardWorld& world, const CardFrame& frame) {
  std::vector<float> pixels(static_cast<std::size_t>(world.frame_size()), 7.0F);
  world.paint(frame, pixels);
  return pixels;
}

std::set<std::vector<float>> glyphs_of(const CardWorld& world, CardSplit split) {
  std::set<std::vector<float>> glyphs;
  for (std::int64_t glyph = 0; glyph < world.glyphs(split); ++glyph) {
    const std::span<const float> ink = world.glyph({.split = split, .glyph = glyph});
    glyphs.emplace(ink.begin(), ink.end());
  }
  return glyphs;
}

TEST(CardWorld, HoldsOutEverySixthDigit) {
  const CardWorld world = small_world();
  ASSERT_EQ(world.glyphs(CardSplit::training), 25);
  ASSERT_EQ(world.glyphs(CardSplit::evaluation), 5);
  EXPECT_EQ(world.digit(CardSplit::evaluation, 0), 5);
  EXPECT_EQ(world.digit(CardSplit::evaluation, 1), 1);  // line 11
  EXPECT_EQ(world.digit(CardSplit::training, 4), 4);
  EXPECT_EQ(world.digit(CardSplit::training, 5), 6);
}

TEST(CardWorld, HasSplitsWithoutACommonGlyph) {
  RINGWORLD_NEEDS_DIGITS();
  const CardWorld world(RINGWORLD_DIGITS_CSV, {.variants = 2});
  EXPECT_EQ(world.originals(CardSplit::training), 1498);
  EXPECT_EQ(world.glyphs(CardSplit::training), 2 * 1498);
  EXPECT_EQ(world.glyphs(CardSplit::evaluation), 299);
  const auto training = glyphs_of(world, CardSplit::training);
  const auto held_out = glyphs_of(world, CardSplit::evaluation);
  EXPECT_EQ(held_out.size(), 299U);
  EXPECT_TRUE(std::ranges::none_of(held_out, [&](const auto& glyph) { return training.contains(glyph); }));
}

TEST(CardWorld, VariesTrainingHandwritingOnly) {
  const CardWorld plain = small_world();
  const CardWorld varied = small_world({.variants = 3, .variant_seed = 9});
  EXPECT_EQ(varied.glyphs(CardSplit::training), 75);
  EXPECT_EQ(varied.originals(CardSplit::training), 25);
  EXPECT_EQ(glyphs_of(varied, CardSplit::evaluation), glyphs_of(plain, CardSplit::evaluation));
  EXPECT_EQ(glyphs_of(varied, CardSplit::training).size(), glyphs_of(plain, CardSplit::training).size() + 50);
  for (std::int64_t glyph = 0; glyph < 75; ++glyph) {
    EXPECT_EQ(varied.digit(CardSplit::training, glyph), plain.digit(CardSplit::training, glyph % 25));
  }
  const CardObject variant{.glyph = 30};
  EXPECT_TRUE(
      std::ranges::equal(varied.glyph(variant), small_world({.variants = 2, .variant_seed = 9}).glyph(variant)));
  EXPECT_FALSE(
      std::ranges::equal(varied.glyph(variant), small_world({.variants = 2, .variant_seed = 8}).glyph(variant)));
}

TEST(CardWorld, PaintsADarkGlyphOnAColouredCard) {
  const CardWorld world = small_world();
  const CardObject yellow{
      .colour = 3, .name = 3, .glyph = 3};  // line 3: a stroke in row 3 of the scan, a dot of 3 / 16
  const std::vector<float> pixels = painted(world, {.object = yellow, .cell = 5});
  const auto pixel = [&pixels](std::int64_t row, std::int64_t column) {
    const float* const rgb = pixels.data() + (row * 32 + column) * 3;
    return std::array{rgb[0], rgb[1], rgb[2]};
  };
  EXPECT_EQ(pixel(8, 16), (std::array{1.0F, 1.0F, -1.0F}));         // the card
  EXPECT_EQ(pixel(15, 30), (std::array{-0.875F, -0.875F, -1.0F}));  // the stroke, ink 1.25 x 0.75
  EXPECT_EQ(pixel(7, 16), (std::array{-1.0F, -1.0F, -1.0F}));       // above the card
  EXPECT_EQ(pixel(8, 15), (std::array{-1.0F, -1.0F, -1.0F}));       // left of it
  EXPECT_EQ(pixel(24, 31), (std::array{-1.0F, -1.0F, -1.0F}));      // below it
}

TEST(CardWorld, RepeatsPixelsInLargerFrames) {
  const CardWorld world = small_world();
  const CardWorld large = small_world({.frame_side = 96});
  const CardFrame frame{.object = {.colour = 1, .name = 2, .glyph = 2}, .cell = 7};
  const std::vector<float> small_pixels = painted(world, frame);
  const std::vector<float> large_pixels = painted(large, frame);
  ASSERT_EQ(large_pixels.size(), 9 * small_pixels.size());
  for (std::size_t row = 0; row < 96; ++row) {
    for (std::size_t column = 0; column < 96; ++column) {
      EXPECT_EQ(large_pixels[(row * 96 + column) * 3 + 1], small_pixels[(row / 3 * 32 + column / 3) * 3 + 1]);
    }
  }
}

TEST(CardWorld, DrawsObjectsUniformly) {
  const CardWorld world = small_world();
  DrawStream draws = stream(1);
  std::map<std::int64_t, int> colours;
  std::map<std::int64_t, int> glyphs;
  int shapes = 0;
  constexpr int count = 20000;
  for (int draw = 0; draw < count; ++draw) {
    const CardObject object = world.draw_object(CardSplit::evaluation, draws);
    ++colours[object.colour];
    if (object.kind == CardKind::shape) {
      ++shapes;
      EXPECT_EQ(object.colour, card_shape_colour);
    } else {
      ++glyphs[object.glyph];
      EXPECT_EQ(object.name, world.digit(CardSplit::evaluation, object.glyph));
    }
  }
  EXPECT_NEAR(shapes, 0.2 * count, 200);
  ASSERT_EQ(colours.size(), 7U);
  ASSERT_EQ(glyphs.size(), 5U);
  for (std::int64_t colour = 0; colour < card_digit_colours; ++colour) {
    EXPECT_NEAR(colours[colour], 0.8 * count / 6, 250);
  }
  for (const auto& [glyph, times] : glyphs) {
    EXPECT_NEAR(times, 0.8 * count / 5, 250) << glyph;
  }
}

TEST(CardWorld, DrawsTheSameFromTheSameStream) {
  const CardWorld world = small_world();
  const auto draw = [&world](std::uint64_t name) {
    DrawStream draws = stream(name);
    return std::tuple(world.draw_frame(CardSplit::training, draws), world.draw_clip(CardSplit::training, draws),
                      world.draw_needle_video({.frames = 40, .needles = 6}, draws).needles);
  };
  EXPECT_EQ(draw(1), draw(1));
  EXPECT_NE(draw(1), draw(2));
}

TEST(NeedleVideos, HoldDigitsOfDistinctColoursAmongWanderingShapes) {
  const CardWorld world = small_world();
  std::set<std::int64_t> places;
  for (std::uint64_t name = 0; name < 200; ++name) {
    DrawStream draws = stream(name);
    const NeedleVideo video =
        world.draw_needle_video({.split = CardSplit::evaluation, .frames = 20, .needles = 4}, draws);
    ASSERT_EQ(video.frames.size(), 20U);
    ASSERT_EQ(video.needles.size(), 4U);
    std::set<std::int64_t> colours;
    for (const CardNeedle& needle : video.needles) {
      const CardObject& object = video.frames[static_cast<std::size_t>(needle.frame)].object;
      EXPECT_EQ(object.kind, CardKind::digit);
      EXPECT_EQ(object.split, CardSplit::evaluation);
      EXPECT_EQ(object.colour, needle.colour);
      EXPECT_EQ(object.name, needle.digit);
      EXPECT_EQ(object.name, world.digit(CardSplit::evaluation, object.glyph));
      colours.insert(needle.colour);
      places.insert(needle.frame);
    }
    EXPECT_EQ(colours.size(), 4U);
    EXPECT_TRUE(std::ranges::is_sorted(video.needles, {}, &CardNeedle::frame));
    EXPECT_EQ(std::ranges::count(video.frames, CardKind::shape, [](const CardFrame& f) { return f.object.kind; }), 16);
  }
  EXPECT_EQ(places.size(), 20U);  // any frame may hold one
}

TEST(NeedleVideos, MoveAShapeByACellAFrame) {
  const CardWorld world = small_world();
  DrawStream draws = stream(5);
  const NeedleVideo video = world.draw_needle_video({.frames = 31}, draws);
  int steps = 0;
  for (std::size_t frame = 0; frame + 1 < 30; ++frame) {
    const CardFrame& now = video.frames[frame];
    const CardFrame& next = video.frames[frame + 1];
    if (frame % 3 != 2 && now.object.kind == CardKind::shape && next.object.kind == CardKind::shape) {
      EXPECT_EQ(now.object, next.object);
      const std::int64_t distance = std::abs(now.cell / 3 - next.cell / 3) + std::abs(now.cell % 3 - next.cell % 3);
      EXPECT_EQ(distance, 1);
      ++steps;
    }
  }
  EXPECT_GE(steps, 18);
}

TEST(NeedleVideos, PutASingleNeedleAtItsDepth) {
  const CardWorld world = small_world();
  for (const auto& [depth, frame] : std::map<double, std::int64_t>{{0, 0}, {0.25, 25}, {0.5, 50}, {1, 99}}) {
    DrawStream draws = stream(0);
    EXPECT_EQ(world.draw_needle_video({.frames = 100, .depth = depth}, draws).needles.front().frame, frame);
  }
}

TEST(NeedleVideos, RefuseWhatDoesNotFit) {
  const CardWorld world = small_world();
  const auto draw = [&world](const NeedleVideoRequest& request) {
    return [&world, request] {
      DrawStream draws = stream(0);
      (void)world.draw_needle_video(request, draws);
    };
  };
  expect_error(ErrorKind::bad_input, draw({.frames = 3, .needles = 4}), {"4 needles in a video of 3 frames"});
  expect_error(ErrorKind::bad_input, draw({.frames = 9, .needles = 7}), {"digits have 6 colours"});
  expect_error(ErrorKind::bad_input, draw({.frames = 9, .needles = 0}), {"0 needles"});
  expect_error(ErrorKind::bad_input, draw({.frames = 9, .needles = 2, .depth = 0.5}),
               {"a depth is that of a single needle"});
  expect_error(ErrorKind::bad_input, draw({.frames = 9, .depth = 1.5}), {"from 0 to 1"});
}

TEST(CardWorld, RefusesOptionsThatMakeNoSense) {
  expect_error(ErrorKind::bad_input, [] { (void)small_world({.variants = 0}); }, {"0 variants"});
  expect_error(ErrorKind::bad_input, [] { (void)small_world({.frame_side = 40}); },
               {"40 pixels along a side: a multiple of 32"});
}

TEST(CardWorld, HasADigestOfItsHandwritingAndOptions) {
  EXPECT_EQ(small_world().digest(), small_world().digest());
  EXPECT_NE(small_world().digest(), small_world({.variants = 2}).digest());
  const TextFile other(handwritten_lines(31));
  EXPECT_NE(small_world().digest(), CardWorld(other.path(), {}).digest());
}

TEST(CardFrames, AreAPureFunctionOfTheirIndex) {
  const auto world = std::make_shared<const CardWorld>(small_world());
  const auto frames = make_card_frames(world, {.seed = 4});
  const auto again = make_card_frames(world, {.seed = 4});
  EXPECT_EQ(frames->frame_side(), 32);
  EXPECT_EQ(frames->digest(), again->digest());
  EXPECT_NE(frames->digest(), make_card_frames(world, {.seed = 5})->digest());
  std::set<std::vector<float>> different;
  for (const std::uint64_t index : {7U, 0U, 7U, 8U}) {
    std::vector<float> one(static_cast<std::size_t>(world->frame_size()));
    std::vector<float> other(one.size());
    frames->draw(index, one);
    again->draw(index, other);
    EXPECT_EQ(one, other);
    different.insert(one);
  }
  EXPECT_EQ(different.size(), 3U);
}

TEST(CardFrames, HoldTheShareOfShapesThatWasAskedFor) {
  const auto world = std::make_shared<const CardWorld>(small_world());
  const auto white = [&world](double share) {
    const auto frames = make_card_frames(world, {.shape_share = share});
    std::vector<float> frame(static_cast<std::size_t>(world->frame_size()));
    int count = 0;
    for (std::uint64_t index = 0; index < 400; ++index) {
      frames->draw(index, frame);
      bool is_white = false;
      for (std::size_t pixel = 0; pixel < frame.size(); pixel += 3) {
        is_white = is_white || (frame[pixel] > 0 && frame[pixel + 1] > 0 && frame[pixel + 2] > 0);
      }
      count += is_white ? 1 : 0;
    }
    return count;
  };
  EXPECT_EQ(white(0), 0);
  EXPECT_EQ(white(1), 400);
  EXPECT_NEAR(white(0.25), 100, 35);
  expect_error(ErrorKind::bad_input, [&world] { (void)make_card_frames(world, {.shape_share = 1.2}); }, {"1.2"});
}

}  // namespace
}  // namespace ringworld::test
