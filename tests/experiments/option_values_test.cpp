#include "experiments/common/option_values.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "core/error.hpp"

namespace ringworld {
namespace {

TEST(OptionValues, IntegersTakeBinarySuffixes) {
  std::int64_t value = 0;
  read_value("--x", "4096", value);
  EXPECT_EQ(value, 4096);
  read_value("--x", "32K", value);
  EXPECT_EQ(value, 32768);
  read_value("--x", "1M", value);
  EXPECT_EQ(value, 1048576);
  read_value("--x", "-9223372036854775808", value);
  EXPECT_EQ(value, std::numeric_limits<std::int64_t>::min());
  read_value("--x", "-8589934592G", value);
  EXPECT_EQ(value, std::numeric_limits<std::int64_t>::min());
  EXPECT_THROW(read_value("--x", "-8589934593G", value), Error);
  EXPECT_THROW(read_value("--x", "8589934592G", value), Error);
  read_value("--x", "-3", value);
  EXPECT_EQ(value, -3);
}

TEST(OptionValues, NonsenseIsRefusedWithItsSource) {
  std::int64_t integer = 0;
  double number = 0;
  bool boolean = false;
  for (const char* word : {"", "K", "12x", "1.5", "9223372036854775807G", "99999999999999999999"}) {
    EXPECT_THROW(read_value("--x", word, integer), Error) << word;
  }
  EXPECT_THROW(read_value("--x", "inf", number), Error);
  EXPECT_THROW(read_value("--x", "nan", number), Error);
  EXPECT_THROW(read_value("--x", "yes", boolean), Error);
  try {
    read_value("--heads", "many", integer);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_input);
    EXPECT_EQ(std::string(error.what()), "--heads: 'many' is not an integer (4096, or 4K)");
  }
}

TEST(OptionValues, TomlTextIsQuoted) {
  EXPECT_EQ(toml_value(std::string("a\"b\\c")), "\"a\\\"b\\\\c\"");
  EXPECT_EQ(toml_value(2.0), "2.0");
  EXPECT_EQ(toml_value(true), "true");
}

TEST(OptionValues, ListsKeepEmptyItems) {
  EXPECT_EQ(split_list("--list", "a,,b"), (std::vector<std::string>{"a", "", "b"}));
  EXPECT_EQ(split_list("--list", "a,"), (std::vector<std::string>{"a", ""}));
  EXPECT_EQ(split_list("--list", ""), std::vector<std::string>{""});
}

TEST(OptionValues, QuotedItemsHoldCommas) {
  EXPECT_EQ(split_list("--list", R"("a, b.txt",c.txt)"), (std::vector<std::string>{"a, b.txt", "c.txt"}));
  EXPECT_EQ(split_list("--list", R"("say ""a,b""")"), std::vector<std::string>{R"(say "a,b")"});
  EXPECT_EQ(split_list("--list", R"(5",6")"), (std::vector<std::string>{R"(5")", R"(6")"}));
  EXPECT_THROW((void)split_list("--list", R"("a,b)"), Error);
  EXPECT_THROW((void)split_list("--list", R"("a"b)"), Error);
}

}  // namespace
}  // namespace ringworld
