#pragma once
/// @file  Characters of UTF-8 text, and which of them make words.
/// Source: The Unicode Standard 15.0, chapter 3.9 (well-formed UTF-8, table 3-7) and its code charts.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace ringworld {

struct Character {
  char32_t code = 0;
  std::size_t bytes = 0;  ///< that it takes in the text
};

/// The character that `text` begins with; nothing when these bytes are not well-formed UTF-8, or there are none.
[[nodiscard]] std::optional<Character> first_character(std::string_view text);

/// Position of the first byte that is not well-formed UTF-8; nothing if the text is well-formed.
[[nodiscard]] std::optional<std::size_t> find_malformed(std::string_view text);

void append_utf8(std::string& text, char32_t code);

/// Whether a character can stand inside a word: all but signs, spaces, digits of ASCII, and what is written without
/// spaces (`is_word_alone`). Unassigned and rare characters count as letters, so that no word is cut.
[[nodiscard]] bool is_letter(char32_t code);

/// Whether a character is a word of its own: of Chinese and Japanese, which put no spaces between words.
[[nodiscard]] bool is_word_alone(char32_t code);

/// The small letter of a capital of the Latin, Greek, Cyrillic and Armenian scripts; other characters as they are.
[[nodiscard]] char32_t to_small(char32_t code);

}  // namespace ringworld
