#pragma once
/// @file  Options of a verb, declared once: the command line, the TOML file, the help text and the recorded
/// configuration are all made from that declaration.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "experiments/common/option_values.hpp"

namespace ringworld {

/// Headings of the help text that verbs share.
namespace help_group {
inline constexpr std::string_view ranks_and_kernels = "Ranks and kernels";
inline constexpr std::string_view output = "Output";
inline constexpr std::string_view job = "Job";
}  // namespace help_group

/// The options of one verb. The flag `--context-length` is the TOML key `context_length`; lists are comma-separated on
/// the command line, an item with a comma in double quotes; in TOML they are arrays, whose elements are taken whole, or
/// text as on the command line. Integers may end in K, M or G (1024 and its powers). A flag given on the command line
/// wins over the file. Targets are bool, int, std::int64_t, double, std::string, an enumeration with a table of names, or a
/// std::vector of one of them.
class Options {
 public:
  Options(std::string verb, std::string description);

  /// @param unit  shown in the help text, as in "token" or "s"; may be empty
  /// The target holds the default, and must outlive the parse. The help text of an enumeration lists its names, that of a
  /// list says that it is one.
  template <class T>
  void add(std::string_view name, T& target, std::string_view unit, std::string_view help) {
    add_option(
        {.name = std::string(name),
         .help = help_of<T>(help, unit, toml_value(target)),
         .group = {},
         .bare_word = std::is_same_v<T, bool> ? "true" : "",
         .may_be_repeated = is_list<T>,
         .set = [&target](const std::string& source, const OptionWords& given) { read_words(source, given, target); },
         .to_toml = [&target] { return toml_value(target); },
         .words = {}});
  }

  /// The same for a flag that may stand without a value, and then means `bare`.
  template <NamedEnumeration Enumeration>
  void add_with_bare(std::string_view name, Enumeration& target, Enumeration bare, std::string_view help) {
    add(name, target, "", help);
    options_.back().bare_word = name_of(bare);
  }

  /// An option whose value lives in this object, for those that every verb has.
  template <class T>
  const T& add_owned(std::string_view name, T value, std::string_view unit, std::string_view help) {
    const auto target = std::make_shared<T>(std::move(value));
    owned_.push_back(target);
    add(name, *target, unit, help);
    return *target;
  }

  /// Something that must hold of the targets: called when all are set.
  /// @param check  throws Error(bad_input)
  void add_check(std::function<void()> check) { checks_.push_back(std::move(check)); }

  /// The heading below which the help text shows the options that are added from here on, together with those of an
  /// earlier use of the same heading. Returns the heading before.
  std::string begin_group(std::string_view heading) { return std::exchange(group_, std::string(heading)); }

  /// Adds an option below a heading of its own; those added next stand below the heading of before.
  template <class T>
  void add_below(std::string_view heading, std::string_view name, T& target, std::string_view unit,
                 std::string_view help) {
    const std::string before = begin_group(heading);
    add(name, target, unit, help);
    begin_group(before);
  }

  /// Shows a command at the end of the help text, and what it does.
  void add_example(std::string_view command, std::string_view what) { examples_.emplace_back(command, what); }

  /// Lets `--config FILE` name a TOML file of the same keys.
  void allow_config_file() { has_config_file_ = true; }

  /// Whether there is a flag of this name, without its dashes.
  [[nodiscard]] bool has(std::string_view name) const;

  /// Sets the targets. Returns the help text instead when `--help` was among the arguments.
  /// @throws Error(bad_input) that names the flag, key or file, and the nearest known name of a mistyped one.
  [[nodiscard]] std::optional<std::string> parse(const std::vector<std::string>& arguments);

  /// The values in force as TOML, defaults included.
  [[nodiscard]] std::string to_toml() const;

 private:
  struct Option {
    std::string name;
    std::string help;
    std::string group;             ///< the heading it stands below in the help text
    std::string bare_word;         ///< what the flag without a value means; empty: it needs one
    bool may_be_repeated = false;  ///< a list: each use of the flag adds to it
    std::function<void(const std::string& source, const OptionWords& given)> set;
    std::function<std::string()> to_toml;
    std::vector<std::string> words;  ///< as given on the command line
  };

  template <class T>
  static std::string help_of(std::string_view help, std::string_view unit, const std::string& default_value) {
    std::string text(help);
    using Item = typename ItemOf<T>::Type;
    if constexpr (NamedEnumeration<Item>) {
      text = fmt::format("{}: {}", list_enumerators<Item>(), help);
    }
    return fmt::format("{}{}{} (default {})", text, is_list<T> ? "; a list" : "",
                       unit.empty() ? "" : fmt::format(" [{}]", unit), default_value);
  }
  template <class T>
  struct ItemOf {
    using Type = T;
  };
  template <class T>
  struct ItemOf<std::vector<T>> {
    using Type = T;
  };

  void add_option(Option option) {
    option.group = group_;
    options_.push_back(std::move(option));
  }
  [[nodiscard]] std::string footer() const;
  void read_config_file(const std::string& path, const std::vector<bool>& is_given);

  std::string verb_;
  std::string description_;
  std::vector<Option> options_;
  std::vector<std::function<void()>> checks_;
  std::vector<std::shared_ptr<void>> owned_;
  std::vector<std::pair<std::string, std::string>> examples_;  ///< command, what it does
  std::string group_ = "Options";
  bool has_config_file_ = false;
};

}  // namespace ringworld
