#include "experiments/common/options.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/error.hpp"

namespace ringworld {
namespace {

/// A TOML file that goes with the test.
class ConfigFile {
 public:
  explicit ConfigFile(const std::string& text)
      : path_(std::filesystem::temp_directory_path() / ("ringworld_options_" + std::to_string(getpid()) + ".toml")) {
    std::ofstream(path_) << text;
  }
  ConfigFile(const ConfigFile&) = delete;
  ConfigFile& operator=(const ConfigFile&) = delete;
  ~ConfigFile() { std::filesystem::remove(path_); }
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

struct Values {
  bool is_on = false;
  std::int64_t count = 3;
  double seconds = 0.5;
  std::string name = "default";
  std::vector<std::int64_t> context_length{1024};
};

std::optional<std::string> parse(Values& values, const std::vector<std::string>& arguments,
                                 std::string* toml = nullptr) {
  Options options("test", "A verb for tests.");
  options.add("is-on", values.is_on, "", "a switch");
  options.add("count", values.count, "", "a number");
  options.add("seconds", values.seconds, "s", "a time");
  options.add("name", values.name, "", "a name");
  options.add("context-length", values.context_length, "token", "a list");
  options.allow_config_file();
  auto help = options.parse(arguments);
  if (toml != nullptr) {
    *toml = options.to_toml();
  }
  return help;
}

std::string message_of(const std::vector<std::string>& arguments) {
  Values values;
  try {
    (void)parse(values, arguments);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_input);
    return error.what();
  }
  return "no error";
}

TEST(Options, FlagsSetTheirTargets) {
  Values values;
  EXPECT_FALSE(parse(values, {"--is-on", "--count", "7", "--seconds=2.5", "--context-length", "2K,4K"}).has_value());
  EXPECT_TRUE(values.is_on);
  EXPECT_EQ(values.count, 7);
  EXPECT_EQ(values.seconds, 2.5);
  EXPECT_EQ(values.context_length, (std::vector<std::int64_t>{2048, 4096}));
  EXPECT_EQ(values.name, "default");
}

TEST(Options, ASwitchTakesAValueToo) {
  Values values;
  values.is_on = true;
  (void)parse(values, {"--is-on", "false"});
  EXPECT_FALSE(values.is_on);
}

TEST(Options, FlagsWinOverTheFile) {
  const ConfigFile file("count = 5\nname = \"file\"\ncontext_length = [\"2K\", 512]\n");
  Values values;
  (void)parse(values, {"--config", file.path(), "--name", "flag"});
  EXPECT_EQ(values.count, 5);
  EXPECT_EQ(values.name, "flag");
  EXPECT_EQ(values.context_length, (std::vector<std::int64_t>{2048, 512}));
}

enum class Fruit : std::uint8_t { apple, pear };

}  // namespace

template <>
struct Enumerators<Fruit> {
  static constexpr std::string_view what = "fruit";
  static constexpr std::array<std::string_view, 2> names{"apple", "pear"};
};

namespace {

struct Basket {
  Fruit best = Fruit::apple;
  std::vector<Fruit> fruits{Fruit::apple};
  std::vector<std::string> files{"a.txt"};
};

std::optional<std::string> parse(Basket& basket, const std::vector<std::string>& arguments) {
  Options options("test", "A verb for tests.");
  options.add("best", basket.best, "", "the best one");
  options.add("fruits", basket.fruits, "", "what there is");
  options.add("files", basket.files, "", "their files");
  options.allow_config_file();
  return options.parse(arguments);
}

TEST(Options, EnumerationsComeFromTheirTable) {
  Basket basket;
  EXPECT_FALSE(parse(basket, {"--best", "pear", "--fruits", "pear,apple"}).has_value());
  EXPECT_EQ(basket.best, Fruit::pear);
  EXPECT_EQ(basket.fruits, (std::vector<Fruit>{Fruit::pear, Fruit::apple}));
  const auto help = parse(basket, {"--help"});
  ASSERT_TRUE(help.has_value());
  EXPECT_NE(help->find("apple, pear: the best one (default"), std::string::npos) << *help;
  try {
    (void)parse(basket, {"--best", "peer"});
    FAIL() << "a fruit that does not exist";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "--best: fruit 'peer' is unknown; did you mean 'pear'? (one of apple, pear)");
  }
}

TEST(Options, ElementsOfAnArrayAreTakenWhole) {
  Basket basket;
  const ConfigFile file("files = [\"a, b.txt\", '\"c\".txt']\n");
  (void)parse(basket, {"--config", file.path()});
  EXPECT_EQ(basket.files, (std::vector<std::string>{"a, b.txt", "\"c\".txt"}));
  (void)parse(basket, {"--files", "\"a, b.txt\",c.txt", "--files", "d.txt"});
  EXPECT_EQ(basket.files, (std::vector<std::string>{"a, b.txt", "c.txt", "d.txt"}));
}

TEST(Options, MistypedNamesGetTheNearestOne) {
  EXPECT_NE(message_of({"--contxt-length", "4"}).find("did you mean '--context-length'"), std::string::npos);
  const ConfigFile file("cuont = 5\n");
  EXPECT_NE(message_of({"--config", file.path()}).find("did you mean 'count'"), std::string::npos);
}

TEST(Options, ErrorsNameTheFileAndTheKey) {
  EXPECT_NE(message_of({"--config", "/nowhere/x.toml"}).find("/nowhere/x.toml"), std::string::npos);
  const ConfigFile file("count = true\n");
  EXPECT_NE(message_of({"--config", file.path()}).find("count: 'true' is not an integer"), std::string::npos);
  const ConfigFile broken("count = \n");
  EXPECT_NE(message_of({"--config", broken.path()}).find(".toml:1:"), std::string::npos);
  EXPECT_NE(message_of({"stray"}).find("'stray'"), std::string::npos);
}

TEST(Options, HelpShowsUnitsAndDefaults) {
  Values values;
  const auto help = parse(values, {"--help"});
  ASSERT_TRUE(help.has_value());
  EXPECT_NE(help->find("a time [s] (default 0.5)"), std::string::npos);
}

TEST(Options, TextMayBeEmptyAndNumbersMayNot) {
  Values values;
  (void)parse(values, {"--name", ""});
  EXPECT_EQ(values.name, "");
  EXPECT_NE(message_of({"--count", ""}).find("--count: expected one value"), std::string::npos);
}

TEST(Options, HelpIsBrokenBetweenWords) {
  int value = 1;
  Options options("verb", "What it does.");
  options.add("value", value, "",
              "a text of many words that would be one line of two hundred characters or more if no "
              "one took care to break it where a word ends, as a page of a book does it, too");
  const std::string help = options.parse({"--help"}).value();
  std::istringstream lines(help);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 112U) << line;
  }
  std::string words = help;
  std::ranges::replace(words, '\n', ' ');
  words.erase(std::ranges::unique(words, [](char a, char b) { return a == ' ' && b == ' '; }).begin(), words.end());
  EXPECT_NE(
      words.find("if no one took care to break it where a word ends, as a page of a book does it, too (default 1)"),
      std::string::npos)
      << help;
}

TEST(Options, HelpStandsBelowHeadingsWithTheJobsOwnLast) {
  int first = 1;
  int second = 2;
  int third = 3;
  Options options("verb", "What it does.");
  options.begin_group("Problem");
  options.add("first", first, "", "of the problem");
  EXPECT_EQ(options.begin_group("Result"), "Problem");
  options.add("second", second, "", "of the result");
  options.begin_group("Problem");
  options.add("third", third, "", "of the problem, too");
  options.allow_config_file();
  options.add_example("ringworld verb --first 2", "the problem twice");
  const auto help = options.parse({"--help"});
  ASSERT_TRUE(help.has_value());
  std::size_t before = 0;
  for (const char* const text : {"What it does.", "Problem:", "--first", "--third", "Result:", "--second", "Job:",
                                 "--config", "--help", "Examples:", "ringworld verb --first 2", "the problem twice"}) {
    const std::size_t place = help->find(text, before);
    ASSERT_NE(place, std::string::npos) << text << " is missing, or too early in\n" << *help;
    before = place;
  }
}

TEST(Options, WhatIsRecordedReadsBackAsTheSameConfiguration) {
  Values values;
  std::string toml;
  (void)parse(values, {"--count", "9", "--name", "with \"quotes\""}, &toml);
  const ConfigFile file(toml);
  Values again;
  (void)parse(again, {"--config", file.path()});
  EXPECT_EQ(again.count, 9);
  EXPECT_EQ(again.name, values.name);
  EXPECT_EQ(again.context_length, values.context_length);
}

}  // namespace
}  // namespace ringworld
