#include "experiments/common/options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "core/error.hpp"
#include "core/spelling.hpp"
#include "experiments/common/toml_table.hpp"

namespace ringworld {
namespace {

constexpr int most_uses = 1 << 20;  // of a flag whose values are a list

std::string flag_of(std::string_view name) { return fmt::format("--{}", name); }

std::string key_of(std::string name) {
  std::ranges::replace(name, '-', '_');
  return name;
}

}  // namespace

Options::Options(std::string verb, std::string description)
    : verb_(std::move(verb)), description_(std::move(description)) {}

bool Options::has(std::string_view name) const {
  return std::ranges::find(options_, name, &Option::name) != options_.end();
}

std::optional<std::string> Options::parse(const std::vector<std::string>& arguments) {
  CLI::App app(description_, fmt::format("ringworld {}", verb_));
  app.footer(
      "Lists are separated by commas, or the flag is repeated; an item that holds a comma is put in double quotes, as "
      "in '\"a, b.txt\",c.txt'.");
  app.allow_extras();
  std::string config_path;
  if (has_config_file_) {
    app.add_option("--config", config_path, "TOML file of the same keys, with underscores; flags win over it");
  }
  std::vector<CLI::Option*> parsed;
  for (Option& option : options_) {
    parsed.push_back(app.add_option(flag_of(option.name), option.words, option.help)
                         ->expected(option.bare_word.empty() ? 1 : 0, option.may_be_repeated ? most_uses : 1)
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
      if (words.empty() && !options_[index].bare_word.empty()) {
        words = {options_[index].bare_word};
      }
      options_[index].set(flag_of(options_[index].name), {.words = std::move(words), .are_whole = false});
    }
  }
  for (const std::function<void()>& check : checks_) {
    check();
  }
  return std::nullopt;
}

void Options::read_config_file(const std::string& path, const std::vector<bool>& is_given) {
  const toml::table table = parse_toml_file(path);
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
