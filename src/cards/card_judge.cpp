#include "cards/card_judge.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "cards/glyphs.hpp"
#include "core/error.hpp"

namespace ringworld {
namespace {

constexpr std::int64_t small_side = smallest_card_frame_side;
constexpr std::int64_t channels = 3;
using SmallFrame = std::array<float, small_side * small_side * channels>;
using Brightness = std::array<float, small_side * small_side>;

/// Pixels in [0, 1], averaged down to 32 x 32.
SmallFrame reduce(std::span<const float> pixels, std::int64_t side) {
  SmallFrame small{};
  const std::int64_t repeats = side / small_side;
  const float share = 0.5F / static_cast<float>(repeats * repeats);
  for (std::int64_t row = 0; row < side; ++row) {
    for (std::int64_t column = 0; column < side; ++column) {
      for (std::int64_t channel = 0; channel < channels; ++channel) {
        const std::int64_t to = ((row / repeats) * small_side + column / repeats) * channels + channel;
        small[static_cast<std::size_t>(to)] +=
            share * (pixels[static_cast<std::size_t>((row * side + column) * channels + channel)] + 1);
      }
    }
  }
  return small;
}

Brightness brightness_of(const SmallFrame& frame) {
  Brightness brightness{};
  for (std::size_t pixel = 0; pixel < brightness.size(); ++pixel) {
    const float* const rgb = frame.data() + pixel * channels;
    brightness[pixel] = std::max({rgb[0], rgb[1], rgb[2]});
  }
  return brightness;
}

/// Calls use(pixel of the frame, pixel of the glyph) for each pixel of a cell's window.
template <class Use>
void for_each_pixel(std::int64_t cell, const Use& use) {
  const std::int64_t top = cell / card_cells_per_side * (small_side / 4);
  const std::int64_t left = cell % card_cells_per_side * (small_side / 4);
  for (std::int64_t row = 0; row < glyph_side; ++row) {
    for (std::int64_t column = 0; column < glyph_side; ++column) {
      use(static_cast<std::size_t>((top + row) * small_side + left + column),
          static_cast<std::size_t>(row * glyph_side + column));
    }
  }
}

std::int64_t brightest_cell(const Brightness& brightness) {
  std::int64_t best = 0;
  double most = -1;
  for (std::int64_t cell = 0; cell < card_cells; ++cell) {
    double sum = 0;
    for_each_pixel(cell, [&](std::size_t pixel, std::size_t) { sum += brightness[pixel]; });
    if (sum > most) {
      most = sum;
      best = cell;
    }
  }
  return best;
}

std::int64_t nearest_colour(const SmallFrame& frame, const Brightness& brightness, std::int64_t cell) {
  std::array<double, channels> sum{};
  for_each_pixel(cell, [&](std::size_t pixel, std::size_t) {
    if (brightness[pixel] > 0.5F) {
      for (std::size_t channel = 0; channel < channels; ++channel) {
        sum[channel] += frame[pixel * channels + channel];
      }
    }
  });
  const double most = std::max(std::ranges::max(sum), std::numeric_limits<double>::min());
  std::int64_t best = 0;
  double nearest = std::numeric_limits<double>::infinity();
  for (std::size_t colour = 0; colour < card_palette.size(); ++colour) {
    double distance = 0;
    for (std::size_t channel = 0; channel < channels; ++channel) {
      const double difference = sum[channel] / most - card_palette[colour][channel];
      distance += difference * difference;
    }
    if (distance < nearest) {
      nearest = distance;
      best = static_cast<std::int64_t>(colour);
    }
  }
  return best;
}

}  // namespace

CardJudge::CardJudge(const CardWorld& world) : world_(world) {}

std::int64_t CardJudge::nearest_digit(std::span<const float> ink) const {
  std::int64_t best = 0;
  float nearest = std::numeric_limits<float>::infinity();
  for (std::int64_t glyph = 0; glyph < world_.originals(CardSplit::training); ++glyph) {
    const std::span<const float> known = world_.glyph({.glyph = glyph});
    float distance = 0;
    for (std::size_t pixel = 0; pixel < known.size(); ++pixel) {
      distance += (known[pixel] - ink[pixel]) * (known[pixel] - ink[pixel]);
    }
    if (distance < nearest) {
      nearest = distance;
      best = glyph;
    }
  }
  return world_.digit(CardSplit::training, best);
}

CardReading CardJudge::read(std::span<const float> pixels) const {
  require(static_cast<std::int64_t>(pixels.size()) == world_.frame_size(), "a frame of another size");
  const SmallFrame frame = reduce(pixels, world_.frame_side());
  const Brightness brightness = brightness_of(frame);
  const std::int64_t cell = brightest_cell(brightness);
  std::array<float, glyph_size> ink{};
  for_each_pixel(cell, [&](std::size_t pixel, std::size_t of_glyph) { ink[of_glyph] = 1 - brightness[pixel]; });
  return {.colour = nearest_colour(frame, brightness, cell), .cell = cell, .digit = nearest_digit(ink)};
}

}  // namespace ringworld
