#include "cards/card_bank.hpp"

#include <gtest/gtest.h>

#include <set>

#include "cards/handwriting.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

/// Codes from the mean of green over squares of 8 x 8 pixels, and counts of what it was asked.
class GreenTokenizer final : public FrameTokenizer {
 public:
  explicit GreenTokenizer(std::int64_t side) : side_(side) {}

  [[nodiscard]] std::int64_t frame_side() const override { return side_; }
  [[nodiscard]] std::int64_t codes_per_side() const override { return side_ / square; }
  [[nodiscard]] std::int64_t codebook_size() const override { return 1000; }
  [[nodiscard]] std::string digest() const override { return "green"; }

  [[nodiscard]] std::vector<Token> encode(std::span<const float> frames) override {
    ++calls;
    std::vector<Token> codes;
    for (; !frames.empty(); frames = frames.subspan(static_cast<std::size_t>(frame_size()))) {
      ++encoded;
      for (std::int64_t code = 0; code < codes_per_frame(); ++code) {
        float sum = 0;
        for (std::int64_t pixel = 0; pixel < square * square; ++pixel) {
          const std::int64_t row = code / codes_per_side() * square + pixel / square;
          const std::int64_t column = code % codes_per_side() * square + pixel % square;
          sum += 1 + frames[static_cast<std::size_t>((row * side_ + column) * 3 + 1)];
        }
        codes.push_back(static_cast<Token>(sum * 999 / (2 * square * square)));
      }
    }
    return codes;
  }
  [[nodiscard]] std::vector<float> decode(std::span<const Token> /*codes*/) override { return {}; }

  int calls = 0;
  int encoded = 0;

 private:
  static constexpr std::int64_t square = 8;
  std::int64_t side_;
};

TEST(CardBank, GivesTheCodesOfThePaintedFrames) {
  const CardWorld world = small_world();
  GreenTokenizer tokenizer(32);
  CardBank bank(world, tokenizer);
  std::vector<CardFrame> frames;
  std::vector<float> pixels(static_cast<std::size_t>(world.frame_size()));
  std::vector<Token> expected;
  DrawStream draws(1, DrawPurpose::card_trial, {});
  for (int frame = 0; frame < 60; ++frame) {
    frames.push_back(world.draw_frame(frame % 2 == 0 ? CardSplit::training : CardSplit::evaluation, draws, 0.3));
    world.paint(frames.back(), pixels);
    const std::vector<Token> codes = tokenizer.encode(pixels);
    expected.insert(expected.end(), codes.begin(), codes.end());
  }
  EXPECT_EQ(bank.codes(frames), expected);
  EXPECT_EQ(bank.codes(frames), expected);
  EXPECT_EQ(bank.codes(std::span(frames).subspan(7, 1)),
            std::vector<Token>(expected.begin() + 7 * 16, expected.begin() + 8 * 16));
}

TEST(CardBank, EncodesAFrameOnceAndNewFramesTogether) {
  const CardWorld world = small_world();
  GreenTokenizer tokenizer(32);
  CardBank bank(world, tokenizer);
  DrawStream draws(1, DrawPurpose::card_trial, {});
  const std::vector<CardFrame> frames = world.draw_needle_video({.frames = 500, .needles = 3}, draws).frames;
  (void)bank.codes(frames);
  EXPECT_EQ(tokenizer.calls, 1);
  EXPECT_LE(tokenizer.encoded, 6 * 9 + 3);
  EXPECT_EQ(bank.encoded(), tokenizer.encoded);
  (void)bank.codes(frames);
  EXPECT_EQ(tokenizer.calls, 1);
}

TEST(CardBank, TellsEveryFrameFromEveryOther) {
  const CardWorld world = small_world();
  GreenTokenizer tokenizer(32);
  CardBank bank(world, tokenizer);
  std::vector<CardFrame> frames;
  for (const auto split : {CardSplit::training, CardSplit::evaluation}) {
    for (std::int64_t glyph = 0; glyph < world.glyphs(split); ++glyph) {
      for (std::int64_t colour = 0; colour < card_digit_colours; ++colour) {
        for (std::int64_t cell = 0; cell < card_cells; ++cell) {
          frames.push_back(
              {.object = {.split = split, .colour = colour, .name = world.digit(split, glyph), .glyph = glyph},
               .cell = cell});
        }
      }
    }
  }
  (void)bank.codes(frames);
  EXPECT_EQ(bank.encoded(), 30 * 6 * 9);
}

TEST(CardBank, RefusesATokenizerOfOtherFrames) {
  const CardWorld world = small_world();
  GreenTokenizer tokenizer(64);
  expect_error(ErrorKind::bad_input, [&] { CardBank(world, tokenizer); },
               {"have 32 pixels along a side, those of the frame tokenizer 64"});
}

}  // namespace
}  // namespace ringworld::test
