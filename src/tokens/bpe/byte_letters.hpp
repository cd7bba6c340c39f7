#pragma once
/// @file  A printable character for each byte, in which byte-level BPE spells its pieces: printable bytes of Latin-1
/// stand for themselves, the others for U+0100 and on, in order.
/// Source: Radford et al., "Language Models are Unsupervised Multitask Learners" (GPT-2), its encoder.py,
/// bytes_to_unicode().

#include <string>
#include <string_view>

namespace ringworld {

/// The bytes of a text, a character each.
[[nodiscard]] std::string to_byte_letters(std::string_view text);

/// The bytes that `letters` stand for; `letters` itself if it holds another character.
[[nodiscard]] std::string from_byte_letters(std::string_view letters);

}  // namespace ringworld
