#include "experiments/common/options.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <toml++/toml.h>
#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <ranges>

#include "core/error.hpp"
#include "core/spelling.hpp"
#include "experiments/common/option_values.hpp"

namespace ringworld {
namespace {

std::string flag_of(std::string_view name) { return fmt::format("--{}", name); }

std::string key_of(std::string name) {
  std::ranges::replace(name, '-', '_');
  return name;
}

template <class T>
inline constexpr bool is_list = false;
template <class T>
inline constexpr bool is_list<std::vector<T>> = true;

template <class T>
void set_target(T& target, const std::string& source, const std::vector<std::string>& words) {
  if constexpr (is_list<T>) {
    T values;
    for (const std::string& word : words) {
      for (const std::string& item : split_list(word)) {
        typename T::value_type value{};
        read_value(source, item, value);
        values.push_back(value);
      }
    }
    require_input(!values.empty(), fmt::format("{}: the list is empty", source));
    target = values;
  } else {
    require_input(words.size() == 1, fmt::format("{}: expected one value, got {}", source, words.size()));
    read_value(source, words.front(), target);
  }
}

template <class T>
std::string target_to_toml(const T& target) {
  if constexpr (is_list<T>) {
    std::vector<std::string> items;
    for (const auto& value : target) {
      items.push_back(toml_value(typename T::value_type(value)));
    }
    return fmt::format("[{}]", fmt::join(items, ", "));
  } else {
    return toml_value(target);
  }
}

/// A TOML value as the words that the command line would have held.
std::vector<std::string> words_of(const std::string& source, const toml::node& node) {
  if (const auto* array = node.as_array()) {
    std::vector<std::string> words;
    for (const toml::node& item : *array) {
      require_input(!item.is_array(), fmt::format("{}: lists cannot be nested", source));
      std::ranges::copy(words_of(source, item), std::back_inserter(words));
    }
    return words;
  }
  if (const auto text = node.value_exact<std::string>()) {
    return {*text};
  }
  if (const auto integer = node.value_exact<std::int64_t>()) {
    return {fmt::format("{}", *integer)};
  }
  if (const auto number = node.value_exact<double>()) {
    return {fmt::format("{}", *number)};
  }
  if (const auto boolean = node.value_exact<bool>()) {
    return {*boolean ? "true" : "false"};
  }
  throw Error(ErrorKind::bad_input, fmt::format("{}: expected text, a number, true, false or a list of them", source));
}

}  // namespace

Options::Options(std::string verb, std::string description)
    : verb_(std::move(verb)), description_(std::move(description)) {}

template <class T>
void Options::add_typed(std::string_view name, T& target, std::string_view unit, std::string_view help) {
  Option option;
  option.name = name;
  option.help =
      fmt::format("{}{} (default {})", help, unit.empty() ? "" : fmt::format(" [{}]", unit), target_to_toml(target));
  option.may_be_empty = std::is_same_v<T, bool>;
  option.set = [&target](const std::string& source, const std::vector<std::string>& words) {
    set_target(target, source, words);
  };
  option.to_toml = [&target] { return target_to_toml(target); };
  options_.push_back(std::move(option));
}

void Options::add(std::string_view name, bool& target, std::string_view unit, std::string_view help) {
  add_typed(name, target, unit, help);
}
void Options::add(std::string_view name, std::int64_t& target, std::string_view unit, std::string_view help) {
  add_typed(name, target, unit, help);
}
void Options::add(std::string_view name, double& target, std::string_view unit, std::string_view help) {
  add_typed(name, target, unit, help);
}
void Options::add(std::string_view name, std::string& target, std::string_view unit, std::string_view help) {
  add_typed(name, target, unit, help);
}
void Options::add(std::string_view name, std::vector<bool>& target, std::string_view unit, std::string_view help) {
  add_typed(name, target, unit, help);
}
void Options::add(std::string_view name, std::vector<std::int64_t>& target, std::string_view unit,
                  std::string_view help) {
  add_typed(name, target, unit, help);
}
void Options::add(std::string_view name, std::vector<std::string>& target, std::string_view unit,
                  std::string_view help) {
  add_typed(name, target, unit, help);
}

std::optional<std::string> Options::parse(const std::vector<std::string>& arguments) {
  CLI::App app(description_, fmt::format("ringworld {}", verb_));
  app.allow_extras();
  std::string config_path;
  if (has_config_file_) {
    app.add_option("--config", config_path, "TOML file of the same keys, with underscores; flags win over it");
  }
  std::vector<CLI::Option*> parsed;
  for (Option& option : options_) {
    parsed.push_back(app.add_option(flag_of(option.name), option.words, option.help)
                         ->expected(option.may_be_empty ? 0 : 1, 1)
                         ->allow_extra_args(false)
                         ->type_name(""));
  }
  try {
    // CLI11 takes its arguments from the last to the first.
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    return app.help();
  } catch (const CLI::ParseError& error) {
    throw Error(ErrorKind::bad_input, fmt::format("{}: {}", verb_, error.what()));
  }

  std::vector<std::string> flags{"--help"};
  if (has_config_file_) {
    flags.emplace_back("--config");
  }
  for (const Option& option : options_) {
    flags.push_back(flag_of(option.name));
  }
  for (const std::string& extra : app.remaining()) {
    require_input(extra.starts_with("-"), fmt::format("{}: argument '{}' belongs to no flag", verb_, extra));
    const std::vector<std::string_view> known(flags.begin(), flags.end());
    throw_unknown_name("flag", extra.substr(0, extra.find('=')), known);
  }

  std::vector<bool> is_given;
  for (const CLI::Option* option : parsed) {
    is_given.push_back(option->count() > 0);
  }
  if (!config_path.empty()) {
    read_config_file(config_path, is_given);
  }
  for (std::size_t index = 0; index < options_.size(); ++index) {
    if (is_given[index]) {
      std::vector<std::string> words = options_[index].words;
      std::erase(words, std::string());
      if (words.empty() && options_[index].may_be_empty) {
        words = {"true"};
      }
      options_[index].set(flag_of(options_[index].name), words);
    }
  }
  return std::nullopt;
}

void Options::read_config_file(const std::string& path, const std::vector<bool>& is_given) {
  require_input(std::filesystem::is_regular_file(path), fmt::format("{}: no such file", path));
  toml::table table;
  try {
    table = toml::parse_file(path);
  } catch (const toml::parse_error& error) {
    const auto line = error.source().begin.line;
    throw Error(ErrorKind::bad_input, line == 0 ? fmt::format("{}: {}", path, error.description())
                                                : fmt::format("{}:{}: {}", path, line, error.description()));
  }
  std::vector<std::string> keys;
  for (const Option& option : options_) {
    keys.push_back(key_of(option.name));
  }
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    const auto found = std::ranges::find(keys, name);
    if (found == keys.end()) {
      const std::vector<std::string_view> known(keys.begin(), keys.end());
      throw_unknown_name(fmt::format("{}: key", path), name, known);
    }
    const auto index = static_cast<std::size_t>(found - keys.begin());
    if (!is_given[index]) {
      const std::string source = fmt::format("{}: {}", path, name);
      options_[index].set(source, words_of(source, node));
    }
  }
}

std::string Options::to_toml() const {
  std::string text;
  for (const Option& option : options_) {
    text += fmt::format("{} = {}\n", key_of(option.name), option.to_toml());
  }
  return text;
}

}  // namespace ringworld
