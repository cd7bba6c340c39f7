#pragma once
/// @file  A name that is put together only when someone asks: a format and up to three whole numbers.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace ringworld {

struct LazyName {
  fmt::string_view format;  ///< must live as long as this
  std::array<std::int64_t, 3> values{};
  bool is_text = false;  ///< `format` is printed as it is

  /// @param text  must live as long as this
  [[nodiscard]] static LazyName of_text(std::string_view text) {
    return {.format = {text.data(), text.size()}, .values = {}, .is_text = true};
  }

  [[nodiscard]] std::string to_string() const {
    return is_text ? std::string(format.data(), format.size())
                   : fmt::vformat(format, fmt::make_format_args(values[0], values[1], values[2]));
  }

  /// What names of one kind have in common: the name with an N in the place of each word that is a number. "S=64" is a word
  /// of another kind: it says which point it is.
  [[nodiscard]] std::string kind() const {
    const std::string name = to_string();
    std::string text;
    for (std::size_t begin = 0; begin <= name.size();) {
      const std::size_t end = std::min(name.find(' ', begin), name.size());
      const std::string_view word = std::string_view(name).substr(begin, end - begin);
      const bool is_number = !word.empty() && word.find_first_not_of("0123456789") == std::string_view::npos;
      text += begin == 0 ? "" : " ";
      text += is_number ? "N" : word;
      begin = end + 1;
    }
    return text;
  }
};

}  // namespace ringworld
