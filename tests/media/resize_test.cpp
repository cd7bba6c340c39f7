/// @file  Sizes and squares against Pillow, bit for bit; numbers of pixels.

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "media/golden_files.hpp"
#include "media/pixels.hpp"
#include "media/resize.hpp"
#include "support/expect_error.hpp"

namespace ringworld {
namespace {

using test::expect_equal;
using test::golden_image;

TEST(ResizeBicubic, EqualsPillowBitForBit) {
  const Image input = golden_image("resize_input");
  constexpr std::array<std::array<std::int64_t, 2>, 7> sizes{
      {{16, 16}, {100, 29}, {57, 20}, {20, 43}, {1, 1}, {171, 7}, {58, 44}}};
  for (const auto& [width, height] : sizes) {
    const std::string name = fmt::format("resize_{}x{}", width, height);
    expect_equal(resize_bicubic(input, width, height), golden_image(name), name);
  }
  expect_equal(resize_bicubic(input, input.width, input.height), input, "the same size");
}

TEST(SquareFrame, IsCutWhereLwmCutsIt) {
  constexpr std::array<std::array<std::int64_t, 3>, 6> squares{
      {{57, 43, 16}, {43, 57, 16}, {57, 16, 16}, {19, 64, 32}, {70, 33, 32}, {21, 20, 8}}};
  for (const auto& [width, height, side] : squares) {
    const std::string name = fmt::format("square_{}x{}_{}", width, height, side);
    const Image input = golden_image(fmt::format("square_input_{}x{}", width, height));
    expect_equal(square_frame(input, side, name), golden_image(name), name);
  }
}

/// Columns of the input are seen in the output, as nothing is resized.
TEST(SquareFrame, TheMiddleBetweenTwoPixelsIsTheEvenOne) {
  for (const auto& [width, left] : {std::pair<std::int64_t, int>{5, 0}, {6, 1}, {7, 2}, {9, 2}, {11, 4}}) {
    constexpr std::int64_t side = 4;
    Image image = make_image(width, side, "a strip");
    for (std::int64_t i = 0; i < width * side; ++i) {
      image.pixels[static_cast<std::size_t>(3 * i)] = static_cast<std::uint8_t>(i % width);
    }
    EXPECT_EQ(square_frame(image, side, "a strip").pixels[0], left) << width;
  }
}

TEST(SquareFrame, AStripThatWouldGetTooLongIsRefused) {
  const Image strip = make_image(1, 1'000'000, "a strip");
  test::expect_error(ErrorKind::bad_input, [&] { static_cast<void>(square_frame(strip, 256, "'strip.png'")); },
                     {"'strip.png' is 1 x 1000000", "256 x 256000000"});
}

TEST(Pixels, AreNumbersFromMinusOneToOne) {
  std::array<std::uint8_t, 6> bytes{0, 51, 102, 153, 204, 255};
  std::array<float, 6> values{};
  normalise(bytes, values);
  EXPECT_EQ(values[0], -1.0F);
  EXPECT_EQ(values[1], 51.0F / 127.5F - 1.0F);
  EXPECT_EQ(values[5], 1.0F);
}

TEST(Pixels, AreTruncatedOnTheWayBack) {
  const std::array<float, 9> values{-1.0F,
                                    1.0F,
                                    0.0F,
                                    127.9F / 127.5F - 1.0F,
                                    -1.5F,
                                    3.0F,
                                    std::numeric_limits<float>::quiet_NaN(),
                                    254.9F / 127.5F - 1.0F,
                                    0.5F};
  const Image image = image_of(values, 3, 1);
  EXPECT_EQ(image.pixels, (std::vector<std::uint8_t>{0, 255, 127, 127, 0, 255, 0, 254, 191}));
}

TEST(Pixels, PsnrIsThatOfTheMeanSquaredDifference) {
  const std::array<float, 4> reference{0.0F, 0.5F, -0.5F, 1.0F};
  const std::array<float, 4> values{0.2F, 0.5F, -0.5F, 1.0F};
  EXPECT_NEAR(psnr(values, reference), 10.0 * std::log10(4.0 / 0.01), 1e-5);
  EXPECT_EQ(psnr(reference, reference), std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace ringworld
