#include "cards/card_bank.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"

namespace ringworld {

CardBank::CardBank(const CardWorld& world, FrameTokenizer& tokenizer)
    : world_(world), tokenizer_(tokenizer), codes_per_frame_(tokenizer.codes_per_frame()) {
  require_input(world.frame_side() == tokenizer.frame_side(),
                fmt::format("frames of cards have {} pixels along a side, those of the frame tokenizer {}",
                            world.frame_side(), tokenizer.frame_side()));
}

std::uint64_t CardBank::key(const CardFrame& frame) const {
  const CardObject& object = frame.object;
  std::uint64_t key = static_cast<std::uint64_t>(object.glyph);
  const auto append = [&key](auto number, std::int64_t bound) {
    key = key * static_cast<std::uint64_t>(bound) + static_cast<std::uint64_t>(number);
  };
  append(object.kind, 2);
  append(object.split, 2);
  append(object.colour, static_cast<std::int64_t>(colour_names.size()));
  append(frame.cell, card_cells);
  return key;
}

void CardBank::encode_new(std::span<const CardFrame> frames) {
  std::vector<float> pixels;
  const auto frame_size = static_cast<std::size_t>(world_.frame_size());
  std::size_t end = codes_.size();
  for (const CardFrame& frame : frames) {
    if (place_of_.emplace(key(frame), end).second) {
      pixels.resize(pixels.size() + frame_size);
      world_.paint(frame, std::span(pixels).last(frame_size));
      end += static_cast<std::size_t>(codes_per_frame_);
    }
  }
  if (!pixels.empty()) {
    const std::vector<Token> encoded = tokenizer_.encode(pixels);
    codes_.insert(codes_.end(), encoded.begin(), encoded.end());
    require(codes_.size() == end, "the frame tokenizer gave another number of codes");
  }
}

std::vector<Token> CardBank::codes(std::span<const CardFrame> frames) {
  encode_new(frames);
  std::vector<Token> codes;
  codes.reserve(frames.size() * static_cast<std::size_t>(codes_per_frame_));
  for (const CardFrame& frame : frames) {
    const auto begin = codes_.begin() + static_cast<std::ptrdiff_t>(place_of_.at(key(frame)));
    codes.insert(codes.end(), begin, begin + codes_per_frame_);
  }
  return codes;
}

}  // namespace ringworld
