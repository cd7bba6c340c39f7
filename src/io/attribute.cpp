#include "io/attribute.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cmath>

namespace ringworld {

namespace {

template <class T>
std::optional<T> one_of_type(const AttributeValue& value) {
  if (const auto* const single = std::get_if<T>(&value)) {
    return *single;
  }
  if constexpr (!std::is_same_v<T, bool>) {
    const auto* const list = std::get_if<std::vector<T>>(&value);
    if (list != nullptr && list->size() == 1) {
      return list->front();
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::int64_t> as_integer(const AttributeValue& value) {
  constexpr double exactly_represented = 9007199254740992.0;  // 2^53
  const auto real = one_of_type<double>(value);
  if (real.has_value() && std::trunc(*real) == *real && std::abs(*real) <= exactly_represented) {
    return static_cast<std::int64_t>(*real);
  }
  return one_of_type<std::int64_t>(value);
}

std::optional<double> as_number(const AttributeValue& value) {
  if (const auto integer = one_of_type<std::int64_t>(value)) {
    return static_cast<double>(*integer);
  }
  return one_of_type<double>(value);
}

std::optional<bool> as_boolean(const AttributeValue& value) {
  if (const auto truth = one_of_type<bool>(value)) {
    return truth;
  }
  const auto number = as_number(value);
  if (number.has_value() && (*number == 0 || *number == 1)) {
    return *number == 1;
  }
  if (auto text = as_text(value)) {
    std::ranges::transform(*text, text->begin(), [](unsigned char letter) { return std::tolower(letter); });
    if (*text == "true" || *text == "false") {
      return *text == "true";
    }
  }
  return std::nullopt;
}

std::optional<std::string> as_text(const AttributeValue& value) { return one_of_type<std::string>(value); }

std::string describe(const AttributeValue& value) {
  constexpr std::size_t longest = 80;
  std::string text = std::visit([](const auto& held) { return fmt::format("{}", held); }, value);
  if (text.size() > longest) {
    text.resize(longest);
    text += "...";
  }
  std::ranges::replace_if(text, [](unsigned char letter) { return std::iscntrl(letter) != 0; }, ' ');
  return text;
}

}  // namespace ringworld
