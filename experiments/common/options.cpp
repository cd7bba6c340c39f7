#include "experiments/common/options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "core/error.hpp"
#include "core/spelling.hpp"
#include "experiments/common/toml_table.hpp"

namespace ringworld {
namespace {

constexpr int most_uses = 1 << 20;      // of a flag whose values are a list
constexpr std::size_t help_width = 80;  // of what stands beside a flag

std::string flag_of(std::string_view name) { return fmt::format("--{}", name); }

std::string key_of(std::string name) {
  std::ranges::replace(name, '-', '_');
  return name;
}

/// Lines of at most `width` characters, broken between words.
std::string wrapped(std::string_view text, std::size_t width) {
  std::string lines;
  while (text.size() > width) {
    std::size_t end = text.rfind(' ', width);
    end = end == std::string_view::npos ? text.find(' ') : end;
    if (end == std::string_view::npos) {
      break;  // one long word
    }
    lines += fmt::format("{}\n", text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  return lines + std::string(text);
}

/// CLI11 leaves two empty lines between groups.
std::string with_single_empty_lines(std::string text) {
  for (std::size_t place = 0; (place = text.find("\n\n\n", place)) != std::string::npos;) {
    text.erase(place, 1);
  }
  return text;
}

}  // namespace

Options::Options(std::string verb, std::string description)
    : verb_(std::move(verb)), description_(std::move(description)) {}

std::string Options::footer() const {
  std::string text =
      "Lists are separated by commas, or the flag is repeated; an item that holds a comma is put in double quotes,\n"
      "as in '\"a, b.txt\",c.txt'.";
  for (const auto& [command, what] : examples_) {
    text += fmt::format("{}  {}\n      {}\n", text.ends_with('\n') ? "" : "\n\nExamples:\n", command, what);
  }
  return text;
}

bool Options::has(std::string_view name) const {
  return std::ranges::find(options_, name, &Option::name) != options_.end();
}

std::optional<std::string> Options::parse(const std::vector<std::string>& arguments) {
  CLI::App app(description_, fmt::format("ringworld {}", verb_));
  app.set_help_flag();
  app.footer(footer());
  app.allow_extras();
  std::string config_path;
  std::vector<CLI::Option*> parsed;
  for (Option& option : options_) {
    parsed.push_back(app.add_option(flag_of(option.name), option.words, wrapped(option.help, help_width))
                         ->expected(option.bare_word.empty() ? 1 : 0, option.may_be_repeated ? most_uses : 1)
                         ->allow_extra_args(false)
                         ->group(option.group)
                         ->type_name(""));
  }
  // Last, as their heading.
  const std::string job_group(help_group::job);
  if (has_config_file_) {
    app.add_option("--config", config_path, "TOML file of the same keys, with underscores; flags win over it")
        ->type_name("")
        ->group(job_group);
  }
  app.set_help_flag("-h,--help", "print this help and do nothing")->group(job_group);
  try {
    // CLI11 takes its arguments from the last to the first.
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    return with_single_empty_lines(app.help());
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
    throw_unknown_name("flag", extra.substr(0, extra.find('=')), known,
                       fmt::format("ringworld {} --help shows all", verb_));
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
      throw_unknown_name(fmt::format("{}: key", path), name, known,
                         fmt::format("its keys are the flags that ringworld {} --help shows, with underscores", verb_));
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
