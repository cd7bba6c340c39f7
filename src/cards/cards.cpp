#include "cards/cards.hpp"

#include <fmt/format.h>

#include "core/error.hpp"

namespace ringworld {
namespace {

template <std::size_t size>
std::string_view word(const std::array<std::string_view, size>& names, std::int64_t index) {
  require(index >= 0 && index < static_cast<std::int64_t>(size), "no word for this index");
  return names[static_cast<std::size_t>(index)];
}

}  // namespace

std::vector<std::string> card_words() {
  std::vector<std::string> words{"what", "digit", "is", "moves"};
  const auto append = [&words](const auto& names) { words.insert(words.end(), names.begin(), names.end()); };
  append(colour_names);
  append(digit_names);
  append(shape_names);
  append(row_names);
  append(column_names);
  append(direction_names);
  return words;
}

std::int64_t CardClip::cell(std::int64_t frame) const {
  require(frame >= 0 && frame < clip_frames, "no such frame of a clip");
  const bool is_backwards = direction % 2 == 1;  // leftwards, upwards
  const std::int64_t along = is_backwards ? clip_frames - 1 - frame : frame;
  const bool is_sideways = direction < 2;
  return is_sideways ? lane * card_cells_per_side + along : along * card_cells_per_side + lane;
}

std::vector<CardFrame> frames_of(const CardClip& clip) {
  std::vector<CardFrame> frames;
  for (std::int64_t frame = 0; frame < clip_frames; ++frame) {
    frames.push_back({.object = clip.object, .cell = clip.cell(frame)});
  }
  return frames;
}

std::string object_caption(const CardObject& object) {
  return fmt::format("{} {}", word(colour_names, object.colour),
                     object.kind == CardKind::digit ? word(digit_names, object.name) : word(shape_names, object.name));
}

std::string image_caption(const CardFrame& frame) {
  return fmt::format("{} {} {}", object_caption(frame.object), word(row_names, frame.cell / card_cells_per_side),
                     word(column_names, frame.cell % card_cells_per_side));
}

std::string clip_caption(const CardClip& clip) {
  return fmt::format("{} moves {}", object_caption(clip.object), word(direction_names, clip.direction));
}

std::string card_question(std::int64_t colour) { return fmt::format("what digit is {}", word(colour_names, colour)); }

}  // namespace ringworld
