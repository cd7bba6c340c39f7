#pragma once
/// @file  The words that describe cards: every caption, question and answer about them is made of these.

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace ringworld {

/// The last one, white, is the colour of shapes; digits have one of the others.
inline constexpr std::array<std::string_view, 7> colour_names{"red",     "green", "blue", "yellow",
                                                              "magenta", "cyan",  "white"};
inline constexpr std::array<std::string_view, 10> digit_names{"zero", "one", "two",   "three", "four",
                                                              "five", "six", "seven", "eight", "nine"};
inline constexpr std::array<std::string_view, 6> shape_names{"square", "disc", "cross", "triangle", "ring", "diamond"};
inline constexpr std::array<std::string_view, 3> row_names{"top", "centre", "bottom"};
inline constexpr std::array<std::string_view, 3> column_names{"left", "middle", "right"};
inline constexpr std::array<std::string_view, 4> direction_names{"rightwards", "leftwards", "downwards", "upwards"};

/// All of them, and those of the sentences around them, each once: what a word vocabulary needs a token of its own for.
[[nodiscard]] std::vector<std::string> card_words();

}  // namespace ringworld
