#pragma once
/// @file  TOML files, read key by key: one way for all verbs. What nobody asked for is an error.

#include <toml++/toml.h>
#include <cstdint>
#include <string>
#include <vector>

#include "experiments/common/option_values.hpp"

namespace ringworld {

/// The file as a table. @throws Error(bad_input) naming the file and the line that is wrong.
[[nodiscard]] toml::table parse_toml_file(const std::string& path);

/// A value as the words that a command line would hold: one, or those of an array, each as it stands.
/// @param source  names file and key in the message
/// @throws Error(bad_input) when it holds anything but text, numbers, true and false
[[nodiscard]] OptionWords words_of(const std::string& source, const toml::node& node);

class TomlTable {
 public:
  /// @param source  what messages call it: "needle.toml: [[stage]] 2"     The table must outlive this.
  TomlTable(const toml::table& table, std::string source) : table_(table), source_(std::move(source)) {}

  [[nodiscard]] const std::string& source() const { return source_; }
  [[nodiscard]] bool has(std::string_view key) const { return table_.contains(key); }

  /// Sets `target` when the table has the key; returns whether it had. A list is an array, or one value in place of it.
  /// @throws Error(bad_input) naming file, table and key when the value is of another type.
  template <class T>
  bool read(const std::string& key, T& target) {
    known_.push_back(key);
    const auto* const node = table_.get(key);
    if (node == nullptr) {
      return false;
    }
    const std::string source = source_ + ": " + key;
    read_words(source, words_of(source, *node), target);
    return true;
  }

  /// A table of this table; null when it has none.
  [[nodiscard]] const toml::table* table(const std::string& key);
  /// An array of tables, `[[key]]`; none when there is none.
  [[nodiscard]] std::vector<const toml::table*> tables(const std::string& key);

  /// @throws Error(bad_input) naming a key that was never asked for, and the nearest one that was.
  void require_all_known() const;

 private:
  const toml::table& table_;
  std::string source_;
  std::vector<std::string> known_;
};

}  // namespace ringworld
