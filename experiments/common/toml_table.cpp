#include "experiments/common/toml_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "core/error.hpp"
#include "core/spelling.hpp"

namespace ringworld {

namespace {

std::string word_of(const std::string& source, const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) {
    return *text;
  }
  if (const auto integer = node.value_exact<std::int64_t>()) {
    return fmt::format("{}", *integer);
  }
  if (const auto number = node.value_exact<double>()) {
    return fmt::format("{}", *number);
  }
  if (const auto boolean = node.value_exact<bool>()) {
    return *boolean ? "true" : "false";
  }
  require_input(!node.is_array(), fmt::format("{}: lists cannot be nested", source));
  throw Error(ErrorKind::bad_input, fmt::format("{}: expected text, a number, true, false or a list of them", source));
}

}  // namespace

toml::table parse_toml_file(const std::string& path) {
  require_input(std::filesystem::is_regular_file(path), fmt::format("{}: no such file", path));
  try {
    return toml::parse_file(path);
  } catch (const toml::parse_error& error) {
    const auto line = error.source().begin.line;
    throw Error(ErrorKind::bad_input, line == 0 ? fmt::format("{}: {}", path, error.description())
                                                : fmt::format("{}:{}: {}", path, line, error.description()));
  }
}

OptionWords words_of(const std::string& source, const toml::node& node) {
  const auto* const array = node.as_array();
  if (array == nullptr) {
    return {.words = {word_of(source, node)}, .are_whole = false};
  }
  OptionWords found{.words = {}, .are_whole = true};
  for (const toml::node& item : *array) {
    found.words.push_back(word_of(source, item));
  }
  return found;
}

const toml::table* TomlTable::table(const std::string& key) {
  known_.push_back(key);
  const auto* const node = table_.get(key);
  if (node == nullptr) {
    return nullptr;
  }
  require_input(node->is_table(), fmt::format("{}: {} is a table: write [{}]", source_, key, key));
  return node->as_table();
}

std::vector<const toml::table*> TomlTable::tables(const std::string& key) {
  known_.push_back(key);
  std::vector<const toml::table*> found;
  const auto* const node = table_.get(key);
  if (node == nullptr) {
    return found;
  }
  require_input(node->is_array_of_tables(), fmt::format("{}: {} are tables: write [[{}]]", source_, key, key));
  for (const toml::node& item : *node->as_array()) {
    found.push_back(item.as_table());
  }
  return found;
}

void TomlTable::require_all_known() const {
  for (const auto& [key, node] : table_) {
    if (std::ranges::find(known_, key.str()) == known_.end()) {
      const std::vector<std::string_view> known(known_.begin(), known_.end());
      throw_unknown_name(fmt::format("{}: key", source_), key.str(), known);
    }
  }
}

}  // namespace ringworld
