#include "experiments/common/option_values.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

namespace ringworld {
namespace {

/// The factor of a trailing K, M or G, in upper or lower case, which is cut off; 1 without one.
std::int64_t take_binary_suffix(std::string_view& word) {
  if (word.empty()) {
    return 1;
  }
  const std::string_view suffixes = "KMGkmg";
  const std::size_t place = suffixes.find(word.back());
  const std::size_t index = place == std::string_view::npos ? place : place % 3;
  if (index == std::string_view::npos) {
    return 1;
  }
  word.remove_suffix(1);
  return std::int64_t{1} << (10 * (index + 1));
}

template <class Number>
bool parse_number(std::string_view word, Number& value) {
  const auto [end, failure] = std::from_chars(word.data(), word.data() + word.size(), value);
  return failure == std::errc{} && end == word.data() + word.size();
}

}  // namespace

void read_value(const std::string& source, const std::string& word, bool& value) {
  const bool is_true = word == "true" || word == "1";
  require_input(is_true || word == "false" || word == "0",
                fmt::format("{}: '{}' is neither true nor false", source, word));
  value = is_true;
}

void read_value(const std::string& source, const std::string& word, std::int64_t& value) {
  std::string_view digits = word;
  const std::int64_t factor = take_binary_suffix(digits);
  std::int64_t number = 0;
  // Both ends are asked for: the least integer has no absolute value.
  const bool is_number = parse_number(digits, number) && number <= std::numeric_limits<std::int64_t>::max() / factor &&
                         number >= std::numeric_limits<std::int64_t>::min() / factor;
  require_input(is_number, fmt::format("{}: '{}' is not an integer (4096, or 4K)", source, word));
  value = number * factor;
}

void read_value(const std::string& source, const std::string& word, int& value) {
  std::int64_t number = 0;
  read_value(source, word, number);
  require_input(std::in_range<int>(number), fmt::format("{}: {} is out of range", source, word));
  value = static_cast<int>(number);
}

void read_value(const std::string& source, const std::string& word, double& value) {
  require_input(parse_number(word, value) && std::isfinite(value),
                fmt::format("{}: '{}' is not a number", source, word));
}

void read_value(const std::string& /*source*/, const std::string& word, std::string& value) { value = word; }

std::string toml_value(bool value) { return value ? "true" : "false"; }
std::string toml_value(std::int64_t value) { return fmt::format("{}", value); }
std::string toml_value(int value) { return fmt::format("{}", value); }
std::string toml_value(double value) {
  const std::string text = fmt::format("{}", value);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}
std::string toml_value(const std::string& value) {
  std::string quoted = "\"";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20U || byte == 0x7FU) {  // a control character
      quoted += fmt::format("\\u{:04X}", byte);
      continue;
    }
    if (c == '"' || c == '\\') {
      quoted += '\\';
    }
    quoted += c;
  }
  return quoted + "\"";
}

std::vector<std::string> split_list(const std::string& source, std::string_view text) {
  std::vector<std::string> items(1);
  std::size_t at = 0;
  while (at < text.size()) {
    if (text[at] == ',') {
      items.emplace_back();
      ++at;
    } else if (text[at] == '"' && items.back().empty()) {
      bool is_closed = false;
      for (++at; at < text.size() && !is_closed; ++at) {
        if (text[at] != '"') {
          items.back() += text[at];
        } else if (text.substr(at + 1).starts_with('"')) {
          items.back() += text[at++];
        } else {
          is_closed = true;
        }
      }
      require_input(
          is_closed && (at == text.size() || text[at] == ','),
          fmt::format("{}: {} is no list: a quoted item ends with a quote, and a comma follows it", source, text));
    } else {
      items.back() += text[at++];
    }
  }
  return items;
}

std::vector<std::string> split_lists(const std::string& source, const std::vector<std::string>& texts) {
  std::vector<std::string> items;
  for (const std::string& text : texts) {
    const std::vector<std::string> more = split_list(source, text);
    items.insert(items.end(), more.begin(), more.end());
  }
  return items;
}

}  // namespace ringworld
