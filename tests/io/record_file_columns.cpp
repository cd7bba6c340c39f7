// Rows of one version of a row type meet tables that another version wrote.
#include <gtest/gtest.h>

#include "expect_error.hpp"
#include "io/record_file.hpp"
#include "temporary_directory.hpp"

namespace ringworld {
namespace {

using test::expect_bad_input;
using test::TemporaryDirectory;

struct OldRow {
  static constexpr std::string_view path = "/table";
  static constexpr std::string_view meaning = "an old row";
  double seconds = 0;
  FixedString<8> reason;
  std::int32_t rank = 0;
  static Columns columns() {
    using R = OldRow;
    return {Column{"seconds", &R::seconds, Role::measure, "s", ""}, Column{"reason", &R::reason, Role::verdict, "", ""},
            Column{"rank", &R::rank, Role::key, "", ""}};
  }
};

/// A column in front, one behind, a longer text and a wider integer.
struct NewRow {
  static constexpr std::string_view path = "/table";
  static constexpr std::string_view meaning = "a new row";
  bool valid = true;
  double seconds = 0;
  FixedString<16> reason;
  std::int64_t rank = 0;
  FixedString<8> layout = "zigzag";
  double tokens = 7;
  static Columns columns() {
    using R = NewRow;
    return {
        Column{"valid", &R::valid, Role::verdict, "", ""},   Column{"seconds", &R::seconds, Role::measure, "s", ""},
        Column{"reason", &R::reason, Role::verdict, "", ""}, Column{"rank", &R::rank, Role::key, "", ""},
        Column{"layout", &R::layout, Role::key, "", ""},     Column{"tokens", &R::tokens, Role::measure, "token", ""}};
  }
};

struct ChangedRow {
  static constexpr std::string_view path = "/table";
  static constexpr std::string_view meaning = "a row whose number became a text";
  FixedString<8> seconds;
  static Columns columns() { return {Column{"seconds", &ChangedRow::seconds, Role::measure, "", ""}}; }
};

void write_old_rows(const std::filesystem::path& path) {
  auto record = RecordFile::create(path);
  record.append(OldRow{.seconds = 1.5, .reason = "timeout", .rank = 3});
  record.append(OldRow{.seconds = 2.5, .reason = "", .rank = 4});
  record.commit();
}

TEST(RecordFileColumns, ThatAFileLacksKeepTheirDefaults) {
  const TemporaryDirectory directory;
  write_old_rows(directory / "run.h5");
  const auto rows = RecordFile::resume(directory / "run.h5").read<NewRow>();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].seconds, 1.5);
  EXPECT_EQ(rows[0].reason.view(), "timeout");
  EXPECT_EQ(rows[0].rank, 3);
  EXPECT_TRUE(rows[0].valid);
  EXPECT_EQ(rows[1].layout.view(), "zigzag");
  EXPECT_EQ(rows[1].tokens, 7);
}

TEST(RecordFileColumns, AreAddedWhenANewerVersionAppends) {
  const TemporaryDirectory directory;
  write_old_rows(directory / "run.h5");
  {
    auto record = RecordFile::resume(directory / "run.h5");
    EXPECT_EQ(record.append(NewRow{.valid = false,
                                   .seconds = 3.5,
                                   .reason = "out of memory",
                                   .rank = std::int64_t{1} << 40,
                                   .layout = "striped",
                                   .tokens = 9}),
              2);
    EXPECT_EQ(record.append(NewRow{}), 3);
    record.commit();
  }
  const auto record = RecordFile::resume(directory / "run.h5");
  const auto rows = record.read<NewRow>();
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[0].reason.view(), "timeout");
  EXPECT_EQ(rows[1].rank, 4);
  EXPECT_TRUE(rows[1].valid);
  EXPECT_EQ(rows[1].layout.view(), "zigzag");
  EXPECT_EQ(rows[1].tokens, 7);
  EXPECT_FALSE(rows[2].valid);
  EXPECT_EQ(rows[2].reason.view(), "out of memory");
  EXPECT_EQ(rows[2].rank, std::int64_t{1} << 40);
  EXPECT_EQ(rows[2].layout.view(), "striped");
  EXPECT_EQ(rows[2].tokens, 9);
  EXPECT_EQ(record.attribute("/table", "units"),
            AttributeValue(std::vector<std::string>{"", "s", "", "", "", "token"}));
}

TEST(RecordFileColumns, OfANewerVersionAreReadOverButNotWrittenOver) {
  const TemporaryDirectory directory;
  auto record = RecordFile::create(directory / "run.h5");
  NewRow row;
  row.seconds = 4.5;
  record.append(row);
  record.commit();
  auto resumed = RecordFile::resume(directory / "run.h5");
  EXPECT_EQ(resumed.read<OldRow>().at(0).seconds, 4.5);
  expect_bad_input([&] { resumed.append(OldRow{}); }, {"/table", "column 'valid'", "does not know"});
}

TEST(RecordFileColumns, OfAnotherTypeAreRefused) {
  const TemporaryDirectory directory;
  write_old_rows(directory / "run.h5");
  auto record = RecordFile::resume(directory / "run.h5");
  const std::initializer_list<std::string_view> parts{"column 'seconds'", "'/table'", "floating-point", "text"};
  expect_bad_input([&] { static_cast<void>(record.read<ChangedRow>()); }, parts);
  expect_bad_input([&] { record.append(ChangedRow{}); }, parts);
}

TEST(RecordFileColumns, OfAGroupAreRefused) {
  const TemporaryDirectory directory;
  auto record = RecordFile::create(directory / "run.h5");
  record.set_attribute("/table", "a", true);
  expect_bad_input([&] { record.append(OldRow{}); }, {"'/table'", "not a table"});
}

}  // namespace
}  // namespace ringworld
