#pragma once
/// @file  The small pictures on the cards: handwritten digits from a file, variants of them, and drawn shapes.
/// Shapes: a scan (8, 8) and a glyph (16, 16), row major; 0 the card and 1 ink.

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace ringworld {

inline constexpr std::int64_t scan_side = 8;
inline constexpr std::int64_t glyph_side = 16;
inline constexpr std::int64_t glyph_size = glyph_side * glyph_side;

/// A handwritten digit as it was scanned.
struct DigitScan {
  std::array<float, scan_side * scan_side> ink{};  ///< in [0, 1]
  std::int64_t digit = 0;
};

/// @param text  of digits.csv: 64 values 0..16 and the digit a line     @param name  of the file, for errors
/// @throws ringworld::Error (bad_input) naming the first line which is not that, or when there are fewer than six lines.
[[nodiscard]] std::vector<DigitScan> parse_digits(const std::string& text, const std::string& name);

/// How a glyph is made of a scan. The defaults are those of all held-out handwriting.
struct GlyphShaping {
  double right = 0;      ///< shift, in pixels of the glyph
  double down = 0;       ///< shift, in pixels of the glyph
  double turn = 0;       ///< radians, clockwise
  double thickness = 1;  ///< above 1 faint ink becomes darker: strokes look thicker
  double contrast = 1.25;
};

/// Enlarges a scan twofold: bilinear, half-pixel centres, edges repeated; ink = min(1, contrast * ink^(1 / thickness)).
/// @param glyph  (16, 16), overwritten
void shape_glyph(const DigitScan& scan, const GlyphShaping& shaping, std::span<float> glyph);

/// Square, disc, cross, triangle, ring and diamond, (6, 16, 16), of 0 and 1.
[[nodiscard]] std::vector<float> draw_shapes();

}  // namespace ringworld
