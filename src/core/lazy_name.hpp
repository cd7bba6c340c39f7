#pragma once
/// @file  A name that is put together only when someone asks: a format and up to three whole numbers.

#include <fmt/format.h>

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
};

}  // namespace ringworld
