#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "cards/cards.hpp"
#include "cards/glyphs.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/text_file.hpp"

namespace ringworld {
namespace {

constexpr std::int64_t pixels_per_cell = smallest_card_frame_side / 4;
constexpr std::int64_t colours = 3;
constexpr std::int64_t directions = static_cast<std::int64_t>(direction_names.size());

/// Each sixth digit of the file is held out.
bool is_held_out(std::size_t line) { return line % 6 == 5; }

double uniform(double low, double high, DrawStream& draws) { return low + (high - low) * draws.unit(); }

/// Small enough that no digit turns into another.
GlyphShaping draw_shaping(DrawStream& draws) {
  constexpr double shift = 1;
  constexpr double turn = 10 * std::numbers::pi / 180;
  constexpr double thinnest = 0.75;
  constexpr double thickest = 1.4;
  constexpr double faintest = 1.0;
  constexpr double darkest = 1.5;
  return {.right = uniform(-shift, shift, draws),
          .down = uniform(-shift, shift, draws),
          .turn = uniform(-turn, turn, draws),
          .thickness = uniform(thinnest, thickest, draws),
          .contrast = uniform(faintest, darkest, draws)};
}

void validate(const CardWorldOptions& options) {
  require_input(options.variants >= 1,
                fmt::format("{} variants of each handwritten digit: at least 1", options.variants));
  require_input(options.frame_side >= smallest_card_frame_side && options.frame_side % smallest_card_frame_side == 0,
                fmt::format("frames of cards with {} pixels along a side: a multiple of {}", options.frame_side,
                            smallest_card_frame_side));
}

void append_glyph(const DigitScan& scan, const GlyphShaping& shaping, std::vector<float>& glyphs) {
  glyphs.resize(glyphs.size() + glyph_size);
  shape_glyph(scan, shaping, std::span(glyphs).last(glyph_size));
}

/// A card whose clip begins anywhere and goes anywhere.
CardClip draw_way(const CardObject& object, DrawStream& draws) {
  const std::int64_t direction = draws.below(directions);
  return {.object = object, .direction = direction, .lane = draws.below(card_cells_per_side)};
}

CardObject shape_object(std::int64_t name) {
  return {.kind = CardKind::shape, .colour = card_shape_colour, .name = name, .glyph = name};
}

}  // namespace

CardWorld::CardWorld(const std::filesystem::path& digits_file, const CardWorldOptions& options)
    : options_(options), shapes_(draw_shapes()) {
  validate(options);
  const std::string text = read_text_file(digits_file);
  const std::vector<DigitScan> scans = parse_digits(text, digits_file.string());
  digest_ = fmt::format("cards {:016x} variants={} variant_seed={} side={}", digest_of(text), options.variants,
                        options.variant_seed, options.frame_side);
  for (std::size_t line = 0; line < scans.size(); ++line) {
    Handwriting& writing = is_held_out(line) ? evaluation_ : training_;
    append_glyph(scans[line], {}, writing.glyphs);
    writing.digits.push_back(scans[line].digit);
    ++writing.originals;
  }
  for (std::int64_t variant = 1; variant < options.variants; ++variant) {
    for (std::size_t line = 0; line < scans.size(); ++line) {
      if (is_held_out(line)) {
        continue;
      }
      DrawStream draws(options.variant_seed, DrawPurpose::card_variant, {line, static_cast<std::uint64_t>(variant)});
      append_glyph(scans[line], draw_shaping(draws), training_.glyphs);
      training_.digits.push_back(scans[line].digit);
    }
  }
}

const CardWorld::Handwriting& CardWorld::handwriting(CardSplit split) const {
  return split == CardSplit::training ? training_ : evaluation_;
}

std::int64_t CardWorld::glyphs(CardSplit split) const {
  return static_cast<std::int64_t>(handwriting(split).digits.size());
}

std::int64_t CardWorld::originals(CardSplit split) const { return handwriting(split).originals; }

std::int64_t CardWorld::digit(CardSplit split, std::int64_t glyph) const {
  require(glyph >= 0 && glyph < glyphs(split), "no such glyph");
  return handwriting(split).digits[static_cast<std::size_t>(glyph)];
}

std::span<const float> CardWorld::glyph(const CardObject& object) const {
  const std::span<const float> all =
      object.kind == CardKind::shape ? std::span(shapes_) : std::span(handwriting(object.split).glyphs);
  const std::int64_t begin = object.glyph * glyph_size;
  require(object.glyph >= 0 && begin + glyph_size <= static_cast<std::int64_t>(all.size()), "no such glyph");
  return all.subspan(static_cast<std::size_t>(begin), glyph_size);
}

CardObject CardWorld::draw_object(CardSplit split, DrawStream& draws, double shape_share) const {
  if (draws.unit() < shape_share) {
    return shape_object(draws.below(static_cast<std::int64_t>(shape_names.size())));
  }
  const std::int64_t glyph = draws.below(glyphs(split));
  return {.kind = CardKind::digit,
          .split = split,
          .colour = draws.below(card_digit_colours),
          .name = digit(split, glyph),
          .glyph = glyph};
}

CardFrame CardWorld::draw_frame(CardSplit split, DrawStream& draws, double shape_share) const {
  const CardObject object = draw_object(split, draws, shape_share);
  return {.object = object, .cell = draws.below(card_cells)};
}

CardClip CardWorld::draw_clip(CardSplit split, DrawStream& draws, double shape_share) const {
  return draw_way(draw_object(split, draws, shape_share), draws);
}

NeedleVideo CardWorld::draw_needle_video(const NeedleVideoRequest& request, DrawStream& draws) const {
  const std::int64_t count = request.needles;
  require_input(count >= 1 && count <= request.frames,
                fmt::format("{} needles in a video of {} frames: at least 1, and one a frame", count, request.frames));
  require_input(count <= card_digit_colours,
                fmt::format("{} needles in a video, but digits have {} colours", count, card_digit_colours));
  require_input(!request.depth.has_value() || (count == 1 && *request.depth >= 0 && *request.depth <= 1),
                "a depth is that of a single needle, from 0 to 1");
  NeedleVideo video;
  while (static_cast<std::int64_t>(video.frames.size()) < request.frames) {
    const CardObject shape = shape_object(draws.below(static_cast<std::int64_t>(shape_names.size())));
    const CardClip clip = draw_way(shape, draws);
    for (std::int64_t k = 0; k < clip_frames && static_cast<std::int64_t>(video.frames.size()) < request.frames; ++k) {
      video.frames.push_back({.object = shape, .cell = clip.cell(k)});
    }
  }
  std::vector<std::int64_t> places{0};
  if (request.depth.has_value()) {
    places.front() = std::llround(*request.depth * static_cast<double>(request.frames - 1));
  } else {
    places = draw_distinct(count, request.frames, draws);
    std::ranges::sort(places);
  }
  const std::vector<std::int64_t> colours = draw_distinct(count, card_digit_colours, draws);
  for (std::size_t k = 0; k < places.size(); ++k) {
    CardFrame frame = draw_frame(request.split, draws, 0);
    frame.object.colour = colours[k];
    video.frames[static_cast<std::size_t>(places[k])] = frame;
    video.needles.push_back({.frame = places[k], .colour = colours[k], .digit = frame.object.name});
  }
  return video;
}

void CardWorld::paint(const CardFrame& frame, std::span<float> pixels) const {
  require(static_cast<std::int64_t>(pixels.size()) == frame_size(), "a frame of another size");
  require(frame.cell >= 0 && frame.cell < card_cells, "no such cell");
  const std::int64_t side = frame_side();
  const std::int64_t repeats = side / smallest_card_frame_side;
  const std::int64_t top = frame.cell / card_cells_per_side * pixels_per_cell * repeats;
  const std::int64_t left = frame.cell % card_cells_per_side * pixels_per_cell * repeats;
  const std::span<const float> ink = glyph(frame.object);
  const auto& colour = card_palette[static_cast<std::size_t>(frame.object.colour)];
  std::ranges::fill(pixels, -1.0F);
  for (std::int64_t row = 0; row < glyph_side * repeats; ++row) {
    for (std::int64_t column = 0; column < glyph_side * repeats; ++column) {
      const float card = 1 - ink[static_cast<std::size_t>(row / repeats * glyph_side + column / repeats)];
      const std::int64_t pixel = ((top + row) * side + left + column) * colours;
      for (std::int64_t channel = 0; channel < colours; ++channel) {
        pixels[static_cast<std::size_t>(pixel + channel)] = 2 * colour[static_cast<std::size_t>(channel)] * card - 1;
      }
    }
  }
}

}  // namespace ringworld
