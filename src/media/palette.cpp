#include "media/palette.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <unordered_map>

namespace ringworld {
namespace {

using Colour = std::array<std::uint8_t, 3>;
constexpr std::size_t most_colours = 256;
constexpr unsigned bits = 5;

Colour colour_at(const Image& image, std::size_t pixel) {
  return {image.pixels[3 * pixel], image.pixels[3 * pixel + 1], image.pixels[3 * pixel + 2]};
}

std::size_t cell_of(const Colour& colour) {
  std::size_t cell = 0;
  for (const std::uint8_t channel : colour) {
    cell = (cell << bits) | (channel >> (8U - bits));
  }
  return cell;
}

/// The picture with all of its colours, in the order in which they appear; nothing when they are too many.
std::optional<PalettePicture> with_own_colours(const Image& image) {
  PalettePicture picture;
  std::unordered_map<std::uint32_t, std::uint8_t> places;
  for (std::size_t pixel = 0; pixel < image.pixels.size() / 3; ++pixel) {
    const Colour colour = colour_at(image, pixel);
    const std::uint32_t key = colour[0] | colour[1] << 8U | colour[2] << 16U;
    auto place = places.find(key);
    if (place == places.end()) {
      if (picture.colours.size() == most_colours) {
        return std::nullopt;
      }
      place = places.emplace(key, static_cast<std::uint8_t>(picture.colours.size())).first;
      picture.colours.push_back(colour);
    }
    picture.indices.push_back(place->second);
  }
  return picture;
}

/// The pixels of one cell of the histogram.
struct Cell {
  std::size_t index = 0;
  std::int64_t count = 0;
  std::array<std::int64_t, 3> sums{};

  [[nodiscard]] double mean(std::size_t channel) const {
    return static_cast<double>(sums[channel]) / static_cast<double>(count);
  }
};

/// Cells that become one colour.
struct Box {
  std::span<Cell> cells;
  std::size_t channel = 0;  ///< along which they spread most
  double weight = 0;        ///< how much a cut helps: pixels times spread

  explicit Box(std::span<Cell> those) : cells(those) {
    std::int64_t count = 0;
    for (const Cell& cell : cells) {
      count += cell.count;
    }
    double widest = 0;
    for (std::size_t candidate = 0; candidate < 3; ++candidate) {
      const auto [least, most] =
          std::ranges::minmax(cells, {}, [candidate](const Cell& cell) { return cell.mean(candidate); });
      if (const double spread = most.mean(candidate) - least.mean(candidate); spread > widest) {
        widest = spread;
        channel = candidate;
      }
    }
    weight = cells.size() < 2 ? 0 : static_cast<double>(count) * widest;
  }

  /// Splits off the cells behind the median pixel.
  Box cut() {
    std::ranges::sort(cells, {}, [this](const Cell& cell) { return std::pair(cell.mean(channel), cell.index); });
    std::int64_t count = 0;
    for (const Cell& cell : cells) {
      count += cell.count;
    }
    std::size_t kept = 0;
    for (std::int64_t before = 0; kept + 1 < cells.size() && 2 * before < count; ++kept) {
      before += cells[kept].count;
    }
    Box behind(cells.subspan(kept));
    *this = Box(cells.first(kept));
    return behind;
  }

  [[nodiscard]] Colour mean() const {
    Cell sum;
    for (const Cell& cell : cells) {
      sum.count += cell.count;
      for (std::size_t channel_index = 0; channel_index < 3; ++channel_index) {
        sum.sums[channel_index] += cell.sums[channel_index];
      }
    }
    Colour colour{};
    for (std::size_t channel_index = 0; channel_index < 3; ++channel_index) {
      colour[channel_index] = static_cast<std::uint8_t>(sum.mean(channel_index) + 0.5);
    }
    return colour;
  }
};

std::vector<Cell> cells_of(const Image& image) {
  std::vector<Cell> cells(std::size_t{1} << (3 * bits));
  for (std::size_t pixel = 0; pixel < image.pixels.size() / 3; ++pixel) {
    const Colour colour = colour_at(image, pixel);
    Cell& cell = cells[cell_of(colour)];
    cell.index = cell_of(colour);
    ++cell.count;
    for (std::size_t channel = 0; channel < 3; ++channel) {
      cell.sums[channel] += colour[channel];
    }
  }
  std::erase_if(cells, [](const Cell& cell) { return cell.count == 0; });
  return cells;
}

std::uint8_t nearest_colour(const std::vector<Colour>& colours, const Cell& cell) {
  const auto distance = [&](const Colour& colour) {
    double sum = 0;
    for (std::size_t channel = 0; channel < 3; ++channel) {
      const double difference = cell.mean(channel) - static_cast<double>(colour[channel]);
      sum += difference * difference;
    }
    return sum;
  };
  return static_cast<std::uint8_t>(std::ranges::min_element(colours, {}, distance) - colours.begin());
}

}  // namespace

PalettePicture with_palette(const Image& image) {
  if (auto exact = with_own_colours(image)) {
    return *std::move(exact);
  }
  std::vector<Cell> cells = cells_of(image);
  std::vector<Box> boxes{Box(cells)};
  while (boxes.size() < most_colours) {
    Box& widest = *std::ranges::max_element(boxes, {}, &Box::weight);
    if (widest.weight <= 0) {
      break;
    }
    const Box behind = widest.cut();
    boxes.push_back(behind);
  }
  PalettePicture picture;
  for (const Box& box : boxes) {
    picture.colours.push_back(box.mean());
  }
  // At the edge of a box the mean of another one may be nearer.
  std::vector<std::uint8_t> colour_of_cell(std::size_t{1} << (3 * bits));
  for (const Cell& cell : cells) {
    colour_of_cell[cell.index] = nearest_colour(picture.colours, cell);
  }
  picture.indices.resize(image.pixels.size() / 3);
  for (std::size_t pixel = 0; pixel < picture.indices.size(); ++pixel) {
    picture.indices[pixel] = colour_of_cell[cell_of(colour_at(image, pixel))];
  }
  return picture;
}

}  // namespace ringworld
