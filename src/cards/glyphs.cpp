#include "cards/glyphs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <string_view>

#include "core/error.hpp"

namespace ringworld {
namespace {

constexpr std::int64_t darkest = 16;
constexpr std::int64_t digits = 10;

/// The number that `line` begins with, which must be at most `largest`; cuts it and the comma behind it off.
bool take_number(std::string_view& line, std::int64_t largest, std::int64_t& number) {
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
  if (error != std::errc{} || number < 0 || number > largest) {
    return false;
  }
  line.remove_prefix(static_cast<std::size_t>(end - line.data()));
  if (!line.empty() && line.front() != ',') {
    return false;
  }
  line.remove_prefix(line.empty() ? 0 : 1);
  return true;
}

bool parse_line(std::string_view line, DigitScan& scan) {
  for (float& ink : scan.ink) {
    std::int64_t grey = 0;
    if (!take_number(line, darkest, grey)) {
      return false;
    }
    ink = static_cast<float>(grey) / static_cast<float>(darkest);
  }
  return take_number(line, digits - 1, scan.digit) && line.empty();
}

/// Ink at a place of the scan, in pixels from the first pixel's centre.
double sample(const DigitScan& scan, double x, double y) {
  constexpr double last = scan_side - 1;
  x = std::clamp(x, 0.0, last);
  y = std::clamp(y, 0.0, last);
  const auto left = static_cast<std::size_t>(std::min(x, last - 1));
  const auto top = static_cast<std::size_t>(std::min(y, last - 1));
  const double right_share = x - static_cast<double>(left);
  const double lower_share = y - static_cast<double>(top);
  const float* ink = scan.ink.data() + top * scan_side + left;
  const double upper = ink[0] + right_share * (ink[1] - ink[0]);
  const double lower = ink[scan_side] + right_share * (ink[scan_side + 1] - ink[scan_side]);
  return upper + lower_share * (lower - upper);
}

/// A shape where `is_ink` of the distances from the middle, in pixels to the right and down, holds.
void draw_shape(const std::function<bool(double x, double y)>& is_ink, std::vector<float>& shapes) {
  constexpr double middle = (glyph_side - 1) / 2.0;
  for (std::int64_t row = 0; row < glyph_side; ++row) {
    for (std::int64_t column = 0; column < glyph_side; ++column) {
      const bool ink = is_ink(static_cast<double>(column) - middle, static_cast<double>(row) - middle);
      shapes.push_back(ink ? 1.0F : 0.0F);
    }
  }
}

}  // namespace

std::vector<DigitScan> parse_digits(const std::string& text, const std::string& name) {
  constexpr std::size_t fewest = 6;  // so that both splits have one
  std::vector<DigitScan> scans;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    DigitScan scan;
    require_input(parse_line(rest.substr(0, end), scan),
                  fmt::format("'{}', line {}: expected 64 grey values from 0 to 16 and a digit, with commas between",
                              name, scans.size() + 1));
    scans.push_back(scan);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  require_input(scans.size() >= fewest,
                fmt::format("'{}' holds {} handwritten digits; at least {} are needed", name, scans.size(), fewest));
  return scans;
}

void shape_glyph(const DigitScan& scan, const GlyphShaping& shaping, std::span<float> glyph) {
  require(static_cast<std::int64_t>(glyph.size()) == glyph_size, "a glyph of another size");
  constexpr double middle = (glyph_side - 1) / 2.0;
  constexpr double scan_middle = (scan_side - 1) / 2.0;
  constexpr double ratio = static_cast<double>(scan_side) / glyph_side;
  const double cosine = std::cos(shaping.turn);
  const double sine = std::sin(shaping.turn);
  for (std::int64_t row = 0; row < glyph_side; ++row) {
    for (std::int64_t column = 0; column < glyph_side; ++column) {
      const double x = static_cast<double>(column) - middle - shaping.right;
      const double y = static_cast<double>(row) - middle - shaping.down;
      const double ink =
          sample(scan, scan_middle + ratio * (cosine * x + sine * y), scan_middle + ratio * (cosine * y - sine * x));
      const double shaped = shaping.contrast * (shaping.thickness == 1.0 ? ink : std::pow(ink, 1 / shaping.thickness));
      glyph[static_cast<std::size_t>(row * glyph_side + column)] = static_cast<float>(std::min(shaped, 1.0));
    }
  }
}

// NOLINTBEGIN(readability-magic-numbers): the sizes of the shapes, in pixels
std::vector<float> draw_shapes() {
  std::vector<float> shapes;
  const auto is_between = [](double r, double inner, double outer) { return r > inner && r < outer; };
  draw_shape([](double x, double y) { return std::max(std::abs(x), std::abs(y)) < 6; }, shapes);
  draw_shape([](double x, double y) { return std::hypot(x, y) < 6.5; }, shapes);
  draw_shape([](double x,
                double y) { return std::min(std::abs(x), std::abs(y)) < 2 && std::max(std::abs(x), std::abs(y)) < 6; },
             shapes);
  draw_shape([](double x, double y) { return y < 6 && std::abs(x) < (y + 7) / 2; }, shapes);
  draw_shape([&](double x, double y) { return is_between(std::hypot(x, y), 3.5, 6.5); }, shapes);
  draw_shape([](double x, double y) { return std::abs(x) + std::abs(y) < 7; }, shapes);
  return shapes;
}
// NOLINTEND(readability-magic-numbers)

}  // namespace ringworld
