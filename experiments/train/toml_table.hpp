#pragma once
/// @file  One table of a TOML file, read key by key; what nobody asked for is an error.

#include <toml++/toml.h>
#include <cstdint>
#include <string>
#include <vector>

#include "experiments/common/option_values.hpp"

namespace ringworld {

class TomlTable {
 public:
  /// @param source  what messages call it: "needle.toml: [[stage]] 2"     The table must outlive this.
  TomlTable(const toml::table& table, std::string source) : table_(table), source_(std::move(source)) {}

  [[nodiscard]] const std::string& source() const { return source_; }
  [[nodiscard]] bool has(std::string_view key) const { return table_.contains(key); }

  /// Sets `target` when the table has the key; returns whether it had.
  /// @throws Error(bad_input) naming file, table and key when the value is of another type.
  template <class T>
  bool read(const std::string& key, T& target) {
    known_.push_back(key);
    const auto* const node = table_.get(key);
    if (node == nullptr) {
      return false;
    }
    read_value(source_ + ": " + key, word_of(key, *node), target);
    return true;
  }

  /// The same for a list, or one value in place of it.
  bool read(const std::string& key, std::vector<std::string>& target);

  /// A table of this table; null when it has none.
  [[nodiscard]] const toml::table* table(const std::string& key);
  /// An array of tables, `[[key]]`; none when there is none.
  [[nodiscard]] std::vector<const toml::table*> tables(const std::string& key);

  /// @throws Error(bad_input) naming a key that was never asked for, and the nearest one that was.
  void require_all_known() const;

 private:
  [[nodiscard]] std::string word_of(const std::string& key, const toml::node& node) const;

  const toml::table& table_;
  std::string source_;
  std::vector<std::string> known_;
};

}  // namespace ringworld
