#include "cards/glyphs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numbers>

#include "cards/handwriting.hpp"
#include "core/error.hpp"

namespace ringworld::test {
namespace {

using ::testing::HasSubstr;

std::string message_of(const std::string& text) {
  try {
    (void)parse_digits(text, "digits.csv");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_input);
    return error.what();
  }
  return "no error";
}

std::vector<float> glyph_of(const DigitScan& scan, const GlyphShaping& shaping) {
  std::vector<float> glyph(glyph_size);
  shape_glyph(scan, shaping, glyph);
  return glyph;
}

/// A scan with one dark pixel.
DigitScan dot(std::size_t row, std::size_t column) {
  DigitScan scan;
  scan.ink[row * scan_side + column] = 1;
  return scan;
}

/// The middle of the ink, in pixels of the glyph.
std::pair<double, double> middle_of(const std::vector<float>& glyph) {
  double sum = 0;
  double x = 0;
  double y = 0;
  for (std::size_t pixel = 0; pixel < glyph.size(); ++pixel) {
    sum += glyph[pixel];
    x += glyph[pixel] * static_cast<double>(pixel % glyph_side);
    y += glyph[pixel] * static_cast<double>(pixel / glyph_side);
  }
  return {x / sum, y / sum};
}

TEST(Glyphs, AreParsedFromLinesOfGreyValues) {
  const std::vector<DigitScan> scans = parse_digits(handwritten_lines(7), "digits.csv");
  ASSERT_EQ(scans.size(), 7U);
  EXPECT_EQ(scans[3].digit, 3);
  EXPECT_EQ(scans[3].ink[3 * scan_side], 1.0F);
  EXPECT_EQ(scans[3].ink[35], 3.0F / 16);
  EXPECT_EQ(scans[3].ink[0], 0.0F);
}

TEST(Glyphs, RefuseALineThatIsNoDigit) {
  const std::string lines = handwritten_lines(6);
  EXPECT_THAT(message_of(lines + "1,2,3\n"), HasSubstr("'digits.csv', line 7"));
  EXPECT_THAT(message_of("x" + lines), HasSubstr("line 1"));
  EXPECT_THAT(message_of("17" + lines.substr(1)), HasSubstr("line 1"));                      // darker than black
  EXPECT_THAT(message_of(lines.substr(0, lines.size() - 1) + ",0\n"), HasSubstr("line 6"));  // a value too many
  EXPECT_THAT(message_of(handwritten_lines(5)), HasSubstr("holds 5 handwritten digits"));
}

TEST(Glyphs, AreTwiceAsLargeAsScansAndBilinear) {
  const std::vector<float> glyph = glyph_of(dot(2, 3), {.contrast = 1});
  // The dot's centre lies between pixels (4, 6), (4, 7), (5, 6) and (5, 7), a quarter of a scanned pixel from each.
  EXPECT_FLOAT_EQ(glyph[4 * glyph_side + 6], 0.75F * 0.75F);
  EXPECT_FLOAT_EQ(glyph[5 * glyph_side + 7], 0.75F * 0.75F);
  EXPECT_FLOAT_EQ(glyph[3 * glyph_side + 7], 0.25F * 0.75F);
  EXPECT_FLOAT_EQ(glyph[3 * glyph_side + 8], 0.25F * 0.25F);
  EXPECT_FLOAT_EQ(glyph[2 * glyph_side + 7], 0.0F);
}

TEST(Glyphs, RepeatTheEdgeOfTheScan) {
  const std::vector<float> glyph = glyph_of(dot(0, 0), {.contrast = 1});
  EXPECT_FLOAT_EQ(glyph[0], 1.0F);
  EXPECT_FLOAT_EQ(glyph[1], 0.75F);
}

TEST(Glyphs, AreClippedToOneAfterTheContrast) {
  const std::vector<float> glyph = glyph_of(dot(0, 0), {});
  EXPECT_FLOAT_EQ(glyph[0], 1.0F);
  EXPECT_FLOAT_EQ(glyph[1], 1.25F * 0.75F);
}

TEST(Glyphs, AreShiftedAndTurnedByTheShaping) {
  const DigitScan scan = dot(3, 5);
  const auto [x, y] = middle_of(glyph_of(scan, {.contrast = 1}));
  const auto [shifted_x, shifted_y] = middle_of(glyph_of(scan, {.right = 1, .down = -2, .contrast = 1}));
  EXPECT_NEAR(shifted_x - x, 1, 1e-6);
  EXPECT_NEAR(shifted_y - y, -2, 1e-6);
  // A quarter turn clockwise takes what is right of the middle below it.
  const auto [turned_x, turned_y] = middle_of(glyph_of(scan, {.turn = std::numbers::pi / 2, .contrast = 1}));
  EXPECT_NEAR(turned_x - 7.5, -(y - 7.5), 1e-5);
  EXPECT_NEAR(turned_y - 7.5, x - 7.5, 1e-5);
}

TEST(Glyphs, HaveMoreInkWhenTheyAreThicker) {
  const DigitScan scan = parse_digits(handwritten_lines(9), "digits.csv")[8];
  const auto ink = [&scan](double thickness) {
    double sum = 0;
    for (const float value : glyph_of(scan, {.thickness = thickness, .contrast = 1})) {
      sum += value;
    }
    return sum;
  };
  EXPECT_GT(ink(1.4), ink(1.0));
  EXPECT_LT(ink(0.7), ink(1.0));
}

TEST(Glyphs, ShowSixShapesOfUnequalAreas) {
  const std::vector<float> shapes = draw_shapes();
  ASSERT_EQ(shapes.size(), 6U * glyph_size);
  // Counted by NumPy from the prototype of the same world.
  const std::vector<int> expected{144, 124, 80, 84, 92, 84};
  for (std::size_t shape = 0; shape < expected.size(); ++shape) {
    float ink = 0;
    for (std::size_t pixel = 0; pixel < glyph_size; ++pixel) {
      ink += shapes[shape * glyph_size + pixel];
    }
    EXPECT_EQ(static_cast<int>(ink), expected[shape]) << shape;
  }
}

}  // namespace
}  // namespace ringworld::test
