#pragma once
/// @file  Options of a verb, declared once: the command line, the TOML file, the help text and the recorded
/// configuration are all made from that declaration.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringworld {

/// The options of one verb. The flag `--context-length` is the TOML key `context_length`; lists are comma-separated on
/// the command line, arrays or comma-separated text in TOML. Integers may end in K, M or G (1024 and its powers).
/// A flag given on the command line wins over the file.
class Options {
 public:
  Options(std::string verb, std::string description);

  /// @param unit  shown in the help text, as in "token" or "s"; may be empty
  /// The target holds the default, and must outlive the parse.
  void add(std::string_view name, bool& target, std::string_view unit, std::string_view help);
  void add(std::string_view name, std::int64_t& target, std::string_view unit, std::string_view help);
  void add(std::string_view name, double& target, std::string_view unit, std::string_view help);
  void add(std::string_view name, std::string& target, std::string_view unit, std::string_view help);
  void add(std::string_view name, std::vector<bool>& target, std::string_view unit, std::string_view help);
  void add(std::string_view name, std::vector<std::int64_t>& target, std::string_view unit, std::string_view help);
  void add(std::string_view name, std::vector<std::string>& target, std::string_view unit, std::string_view help);

  /// Lets `--config FILE` name a TOML file of the same keys.
  void allow_config_file() { has_config_file_ = true; }

  /// Sets the targets. Returns the help text instead when `--help` was among the arguments.
  /// @throws Error(bad_input) that names the flag, key or file, and the nearest known name of a mistyped one.
  [[nodiscard]] std::optional<std::string> parse(const std::vector<std::string>& arguments);

  /// The values in force as TOML, defaults included.
  [[nodiscard]] std::string to_toml() const;

 private:
  struct Option {
    std::string name;
    std::string help;
    bool may_be_empty = false;  ///< a boolean flag without a value
    std::function<void(const std::string& source, const std::vector<std::string>& words)> set;
    std::function<std::string()> to_toml;
    std::vector<std::string> words;  ///< as given on the command line
  };

  template <class T>
  void add_typed(std::string_view name, T& target, std::string_view unit, std::string_view help);
  void read_config_file(const std::string& path, const std::vector<bool>& is_given);

  std::string verb_;
  std::string description_;
  std::vector<Option> options_;
  bool has_config_file_ = false;
};

}  // namespace ringworld
