#pragma once
/// @file  Names of enumerations that people read and write: one table gives the parser, the name and the list in a help
/// text.
///
///   enum class Pass : std::uint8_t { forward, backward };
///   template <>
///   struct Enumerators<Pass> {
///     static constexpr std::string_view what = "pass";
///     static constexpr std::array<std::string_view, 2> names{"forward", "backward"};  // in the enumerators' order
///   };

#include <array>
#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/spelling.hpp"

namespace ringworld {

/// The table of an enumeration whose enumerators count from 0; specialised beside the enumeration.
template <class Enumeration>
struct Enumerators;

template <class Enumeration>
concept NamedEnumeration = requires {
  { Enumerators<Enumeration>::what } -> std::convertible_to<std::string_view>;
  { std::span<const std::string_view>(Enumerators<Enumeration>::names) };
};

/// "bfloat16". An enumerator out of range is "unknown".
template <NamedEnumeration Enumeration>
[[nodiscard]] constexpr std::string_view name_of(Enumeration enumerator) noexcept {
  const auto index = static_cast<std::size_t>(enumerator);
  return index < Enumerators<Enumeration>::names.size() ? Enumerators<Enumeration>::names[index] : "unknown";
}

/// The enumerator of this name; nothing when there is none.
template <NamedEnumeration Enumeration>
[[nodiscard]] constexpr std::optional<Enumeration> find_enumerator(std::string_view name) noexcept {
  constexpr auto& names = Enumerators<Enumeration>::names;
  for (std::size_t index = 0; index < names.size(); ++index) {
    if (names[index] == name) {
      return static_cast<Enumeration>(index);
    }
  }
  return std::nullopt;
}

/// @throws Error(bad_input) naming the nearest enumerator.
template <NamedEnumeration Enumeration>
[[nodiscard]] Enumeration parse_enumerator(std::string_view name) {
  const std::optional<Enumeration> found = find_enumerator<Enumeration>(name);
  if (!found.has_value()) {
    throw_unknown_name(Enumerators<Enumeration>::what, name, Enumerators<Enumeration>::names);
  }
  return *found;
}

/// "forward, backward"
template <NamedEnumeration Enumeration>
[[nodiscard]] std::string list_enumerators() {
  return join_names(Enumerators<Enumeration>::names);
}

}  // namespace ringworld
