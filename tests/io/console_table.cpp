#include "io/console_table.hpp"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <vector>

#include "expect_error.hpp"
#include "io/csv_table.hpp"
#include "sample_row.hpp"

namespace ringworld {
namespace {

using test::SampleRow;

const std::vector<SampleRow>& rows() {
  static const std::vector<SampleRow> result{
      {.valid = true, .small = 8, .name = "µs", .bytes = 1'073'741'824, .causal = true, .seconds = 0.0012345},
      {.valid = false, .small = 1048576, .name = "abcd", .bytes = 512, .causal = true, .seconds = 75}};
  return result;
}

TEST(ConsoleTable, AlignsNamesUnitsAndValues) {
  EXPECT_EQ(console_table(std::span(rows())),
            "valid    small  name   bytes  causal  seconds\n"
            "                         [B]              [s]\n"
            "yes          8  µs    1.074G  yes      1.234m\n"
            "no     1048576  abcd     512  yes          75\n");
}

TEST(ConsoleTable, ShowsTheColumnsThatWereAskedForInThatOrder) {
  constexpr std::array<std::string_view, 2> columns{"seconds", "small"};
  EXPECT_EQ(console_table(std::span(rows()), columns),
            "seconds    small\n"
            "    [s]\n"
            " 1.234m        8\n"
            "     75  1048576\n");
}

TEST(ConsoleTable, NamesTheNearestColumnOfAMistypedOne) {
  constexpr std::array<std::string_view, 1> columns{"second"};
  test::expect_bad_input([&] { static_cast<void>(console_table(std::span(rows()), columns)); },
                         {"'second'", "'seconds'"});
}

TEST(CsvTable, HasEveryDigitAndQuotesWhereTheyAreNeeded) {
  const std::vector<SampleRow> one{
      {.valid = false, .small = 8, .name = "a,\"b", .bytes = 1'073'741'825, .causal = true, .seconds = 0.1}};
  EXPECT_EQ(csv_table(layout_of<SampleRow>(), std::as_bytes(std::span(one)), {}),
            "valid,small,name,bytes,causal,seconds\n"
            "no,8,\"a,\"\"b\",1073741825,yes,0.1\n");
  constexpr std::array<std::string_view, 1> columns{"small"};
  EXPECT_EQ(text_table(std::span<const SampleRow>(one), columns, true), "small\n8\n");
}

TEST(WithSiPrefix, KeepsFourDigits) {
  EXPECT_EQ(with_si_prefix(0), "0");
  EXPECT_EQ(with_si_prefix(1), "1");
  EXPECT_EQ(with_si_prefix(999), "999");
  EXPECT_EQ(with_si_prefix(999.99), "1k");
  EXPECT_EQ(with_si_prefix(1000), "1k");
  EXPECT_EQ(with_si_prefix(-2.5e12), "-2.5T");
  EXPECT_EQ(with_si_prefix(1.5e-3), "1.5m");
  EXPECT_EQ(with_si_prefix(12.345e-6), "12.35u");
  EXPECT_EQ(with_si_prefix(1e-15), "0.001p");
  EXPECT_EQ(with_si_prefix(1e21), "1000E");
  EXPECT_EQ(with_si_prefix(std::numeric_limits<double>::infinity()), "inf");
  EXPECT_EQ(with_si_prefix(std::numeric_limits<double>::quiet_NaN()), "nan");
}

}  // namespace
}  // namespace ringworld
