#pragma once
/// @file  Text to typed values and back, for options.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/enumerators.hpp"
#include "core/error.hpp"
#include "core/spelling.hpp"

namespace ringworld {

/// a,b -> {"a", "b"}; an item in double quotes may hold commas, and doubled quotes for quotes: "a,b",c -> {"a,b", "c"}.
/// @throws Error(bad_input) when a quote is not closed
[[nodiscard]] std::vector<std::string> split_list(const std::string& source, std::string_view text);
[[nodiscard]] std::vector<std::string> split_lists(const std::string& source, const std::vector<std::string>& texts);

/// Each throws Error(bad_input) `<source>: '<word>' is not ...`. `source` names the flag, or the file and key.
void read_value(const std::string& source, const std::string& word, bool& value);
void read_value(const std::string& source, const std::string& word, std::int64_t& value);
void read_value(const std::string& source, const std::string& word, int& value);
void read_value(const std::string& source, const std::string& word, double& value);
void read_value(const std::string& source, const std::string& word, std::string& value);

/// The same for enumerations, by their table of names.
template <NamedEnumeration Enumeration>
void read_value(const std::string& source, const std::string& word, Enumeration& value) {
  const std::optional<Enumeration> found = find_enumerator<Enumeration>(word);
  if (!found.has_value()) {
    throw_unknown_name(fmt::format("{}: {}", source, Enumerators<Enumeration>::what), word,
                       Enumerators<Enumeration>::names);
  }
  value = *found;
}

/// The value given for an option.
struct OptionWords {
  std::vector<std::string> words;
  bool are_whole = false;  ///< each word is one item of a list; else words are split at commas
};

template <class T>
inline constexpr bool is_list = false;
template <class T>
inline constexpr bool is_list<std::vector<T>> = true;

/// Sets a value, or the items of a list.
/// @throws Error(bad_input) when an item cannot be read, or there are more or fewer than the target takes
template <class T>
void read_words(const std::string& source, const OptionWords& given, T& target) {
  if constexpr (is_list<T>) {
    T values;
    for (const std::string& item : given.are_whole ? given.words : split_lists(source, given.words)) {
      typename T::value_type value{};
      read_value(source, item, value);
      values.push_back(value);
    }
    require_input(!values.empty(), fmt::format("{}: the list is empty", source));
    target = std::move(values);
  } else {
    if constexpr (std::is_same_v<T, std::string>) {
      if (given.words.empty()) {  // text may be empty
        target.clear();
        return;
      }
    }
    require_input(given.words.size() == 1, fmt::format("{}: expected one value, got {}", source, given.words.size()));
    read_value(source, given.words.front(), target);
  }
}

[[nodiscard]] std::string toml_value(bool value);
[[nodiscard]] std::string toml_value(std::int64_t value);
[[nodiscard]] std::string toml_value(int value);
[[nodiscard]] std::string toml_value(double value);
[[nodiscard]] std::string toml_value(const std::string& value);
template <NamedEnumeration Enumeration>
[[nodiscard]] std::string toml_value(Enumeration value) {
  return toml_value(std::string(name_of(value)));
}
template <class Item>
[[nodiscard]] std::string toml_value(const std::vector<Item>& values) {
  std::vector<std::string> items;
  for (const auto& value : values) {
    items.push_back(toml_value(Item(value)));
  }
  return fmt::format("[{}]", fmt::join(items, ", "));
}

}  // namespace ringworld
