#include "experiments/train/toml_table.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "core/spelling.hpp"

namespace ringworld {

bool TomlTable::read(const std::string& key, std::vector<std::string>& target) {
  known_.push_back(key);
  const auto* const node = table_.get(key);
  if (node == nullptr) {
    return false;
  }
  target.clear();
  if (const auto* array = node->as_array()) {
    for (const toml::node& item : *array) {
      target.push_back(word_of(key, item));
    }
  } else {
    target.push_back(word_of(key, *node));
  }
  return true;
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

std::string TomlTable::word_of(const std::string& key, const toml::node& node) const {
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
  throw Error(ErrorKind::bad_input, fmt::format("{}: {}: expected text, a number, true or false", source_, key));
}

}  // namespace ringworld
