#include "media/resize.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace ringworld {
namespace {

constexpr int precision_bits = 32 - 8 - 2;
constexpr double filter_support = 2.0;

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) {
    return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  }
  if (x < 2.0) {
    return (((x - 5) * x + 8) * x - 4) * a;
  }
  return 0.0;
}

/// The pixels of the input that one pixel of the output is made of, and their weights.
struct Window {
  std::int64_t begin = 0;
  std::vector<std::int32_t> weights;  ///< in units of 2^-precision_bits
};

std::vector<Window> windows_of(std::int64_t input, std::int64_t output) {
  const double scale = static_cast<double>(input) / static_cast<double>(output);
  const double filter_scale = std::max(scale, 1.0);
  const double support = filter_support * filter_scale;
  const double inverse = 1.0 / filter_scale;
  std::vector<Window> windows(static_cast<std::size_t>(output));
  std::vector<double> weights;
  for (std::int64_t place = 0; place < output; ++place) {
    const double centre = (static_cast<double>(place) + 0.5) * scale;
    const auto begin = std::max<std::int64_t>(static_cast<std::int64_t>(centre - support + 0.5), 0);
    const auto end = std::min<std::int64_t>(static_cast<std::int64_t>(centre + support + 0.5), input);
    weights.clear();
    double sum = 0;
    for (std::int64_t x = begin; x < end; ++x) {
      weights.push_back(bicubic((static_cast<double>(x) - centre + 0.5) * inverse));
      sum += weights.back();
    }
    Window& window = windows[static_cast<std::size_t>(place)];
    window.begin = begin;
    for (double weight : weights) {
      weight = sum == 0.0 ? weight : weight / sum;
      const double half = weight < 0 ? -0.5 : 0.5;
      window.weights.push_back(static_cast<std::int32_t>(half + weight * (1 << precision_bits)));
    }
  }
  return windows;
}

std::uint8_t to_pixel(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> precision_bits, 0, 255)); }

Image resize_rows(const Image& image, std::int64_t width) {
  const std::vector<Window> windows = windows_of(image.width, width);
  Image result{.width = width, .height = image.height, .pixels = {}};
  result.pixels.resize(static_cast<std::size_t>(3 * width * image.height));
  std::uint8_t* out = result.pixels.data();
  for (std::int64_t y = 0; y < image.height; ++y) {
    const std::uint8_t* row = image.pixels.data() + 3 * image.width * y;
    for (const Window& window : windows) {
      const std::uint8_t* in = row + 3 * window.begin;
      std::int32_t red = 1 << (precision_bits - 1);
      std::int32_t green = red;
      std::int32_t blue = red;
      for (const std::int32_t weight : window.weights) {
        red += in[0] * weight;
        green += in[1] * weight;
        blue += in[2] * weight;
        in += 3;
      }
      *out++ = to_pixel(red);
      *out++ = to_pixel(green);
      *out++ = to_pixel(blue);
    }
  }
  return result;
}

Image resize_columns(const Image& image, std::int64_t height) {
  Image result{.width = image.width, .height = height, .pixels = {}};
  const std::int64_t row_size = 3 * image.width;
  result.pixels.resize(static_cast<std::size_t>(row_size * height));
  std::vector<std::int32_t> sums(static_cast<std::size_t>(row_size));
  std::uint8_t* out = result.pixels.data();
  for (const Window& window : windows_of(image.height, height)) {
    std::ranges::fill(sums, 1 << (precision_bits - 1));
    const std::uint8_t* in = image.pixels.data() + row_size * window.begin;
    for (const std::int32_t weight : window.weights) {
      for (std::int64_t x = 0; x < row_size; ++x) {
        sums[static_cast<std::size_t>(x)] += in[x] * weight;
      }
      in += row_size;
    }
    out = std::ranges::transform(sums, out, to_pixel).out;
  }
  return result;
}

/// Half of a number that is not negative, a half rounded to the even neighbour.
std::int64_t half_to_even(std::int64_t value) {
  const std::int64_t below = value / 2;
  return value % 2 != 0 && below % 2 != 0 ? below + 1 : below;
}

}  // namespace

Image resize_bicubic(const Image& image, std::int64_t width, std::int64_t height) {
  require(width > 0 && height > 0 && image.width > 0 && image.height > 0, "a picture has at least one pixel");
  if (width == image.width) {
    return height == image.height ? image : resize_columns(image, height);
  }
  Image rows = resize_rows(image, width);
  return height == image.height ? rows : resize_columns(rows, height);
}

Image square_frame(const Image& image, std::int64_t side, const std::string& name) {
  const std::int64_t width = image.width < image.height ? side : side * image.width / image.height;
  const std::int64_t height = image.width < image.height ? side * image.height / image.width : side;
  require_input(width <= max_image_pixels / height,
                fmt::format("{} is {} x {} pixels: with the shorter side made {} it is {} x {}, too long to read; cut "
                            "it first",
                            name, image.width, image.height, side, width, height));
  const Image resized = resize_bicubic(image, width, height);
  const std::int64_t left = half_to_even(width - side);
  const std::int64_t top = half_to_even(height - side);
  Image frame{.width = side, .height = side, .pixels = {}};
  frame.pixels.reserve(static_cast<std::size_t>(3 * side * side));
  for (std::int64_t y = top; y < top + side; ++y) {
    const auto begin = resized.pixels.begin() + 3 * (resized.width * y + left);
    frame.pixels.insert(frame.pixels.end(), begin, begin + 3 * side);
  }
  return frame;
}

}  // namespace ringworld
