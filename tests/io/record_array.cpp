// Numbers of which each row of a table has as many as it likes.
#include "io/record_array.hpp"

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "expect_error.hpp"
#include "io/record_file.hpp"
#include "io/schema.hpp"
#include "io/tensor_file.hpp"
#include "sample_row.hpp"
#include "support/expect_error.hpp"
#include "temporary_directory.hpp"

namespace ringworld {
namespace {

using test::expect_bad_input;
using test::TemporaryDirectory;

struct PathRow {
  static constexpr std::string_view path = "/paths";
  static constexpr std::string_view meaning = "a path";
  std::int64_t first = 0;
  std::int64_t places = 0;
  [[nodiscard]] std::int64_t count() const { return places; }
  static Columns columns() {
    using R = PathRow;
    return {Column{"first", &R::first, Role::measure, "", ""}, Column{"places", &R::places, Role::measure, "", ""}};
  }
  static constexpr std::array<RecordArray, 2> arrays() {
    return {{{"/place", ColumnKind::float32, "m", "where"}, {"/time", ColumnKind::int64, "s", "when"}}};
  }
};
static_assert(RowWithArrays<PathRow>);

constexpr RecordArray place_array = PathRow::arrays()[0];
constexpr RecordArray time_array = PathRow::arrays()[1];

/// `count` numbers that tell where they belong.
template <class Number>
std::vector<Number> numbers_from(std::int64_t first, std::int64_t count) {
  std::vector<Number> numbers;
  for (std::int64_t i = 0; i < count; ++i) {
    numbers.push_back(static_cast<Number>(100 * first + i));
  }
  return numbers;
}

/// Adds a row with as many numbers, and commits.
void add_row(RecordFile& record, std::int64_t count) {
  PathRow row{.places = count};
  const std::int64_t index = record.has_table<PathRow>() ? static_cast<std::int64_t>(record.read<PathRow>().size()) : 0;
  row.first = record.append_numbers<float>(place_array, numbers_from<float>(index, count));
  EXPECT_EQ(record.append_numbers<std::int64_t>(time_array, numbers_from<std::int64_t>(index, count)), row.first);
  record.append(row);
  record.commit();
}

void expect_rows(const RecordFile& record, const std::vector<std::int64_t>& counts) {
  const auto rows = record.read<PathRow>();
  ASSERT_EQ(rows.size(), counts.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    EXPECT_EQ(rows[i].places, counts[i]);
    EXPECT_EQ(record.read_numbers<float>(place_array, rows[i].first, counts[i]), numbers_from<float>(index, counts[i]));
    EXPECT_EQ(record.read_numbers<std::int64_t>(time_array, rows[i].first, counts[i]),
              numbers_from<std::int64_t>(index, counts[i]));
  }
}

TEST(RecordArray, HoldsBytesAsBytes) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "record.h5";
  constexpr RecordArray pixels{.path = "/pixels", .kind = ColumnKind::uint8, .unit = "1", .meaning = "grey"};
  constexpr std::array<std::uint8_t, 4> values{0, 127, 128, 255};
  {
    RecordFile record = RecordFile::create(path);
    EXPECT_EQ(record.append_numbers<std::uint8_t>(pixels, values), 0);
    record.commit();
    EXPECT_EQ(record.append_numbers<std::uint8_t>(pixels, values), 4);
    record.commit();
  }
  const RecordFile record = RecordFile::resume(path);
  EXPECT_EQ(record.read_numbers<std::uint8_t>(pixels, 2, 4), (std::vector<std::uint8_t>{128, 255, 0, 127}));
}

TEST(RecordArray, HoldsTheNumbersOfEachRow) {
  const TemporaryDirectory directory;
  const std::vector<std::int64_t> counts{3, 0, 1, 5000, 2};  // more than a chunk; nothing
  {
    auto record = RecordFile::create(directory / "run.h5");
    for (const std::int64_t count : counts) {
      add_row(record, count);
    }
    expect_rows(record, counts);
  }
  auto resumed = RecordFile::resume(directory / "run.h5");  // through the journal
  expect_rows(resumed, counts);
  add_row(resumed, 4);
  expect_rows(RecordFile::stand_in(directory / "run.h5"), {3, 0, 1, 5000, 2, 4});
}

TEST(RecordArray, GoesFromOneRecordToAnother) {
  const TemporaryDirectory directory;
  auto part = RecordFile::create(directory / "part.h5");
  add_row(part, 2);
  add_row(part, 3);
  auto whole = RecordFile::create(directory / "whole.h5");
  add_row(whole, 4);
  const PathRow row = part.read<PathRow>().at(1);
  EXPECT_EQ(whole.append_from(part, place_array, row.first, row.count()), 4);
  EXPECT_EQ(whole.read_numbers<float>(place_array, 4, 3), numbers_from<float>(1, 3));
}

TEST(RecordArray, RefusesWhatIsNotThere) {
  const TemporaryDirectory directory;
  auto record = RecordFile::create(directory / "run.h5");
  const auto read = [&](std::int64_t first, std::int64_t count) {
    static_cast<void>(record.read_numbers<float>(place_array, first, count));
  };
  expect_bad_input([&] { read(0, 1); }, {"no array '/place'"});
  add_row(record, 2);
  read(1, 1);
  expect_bad_input([&] { read(1, 2); }, {"'/place'", "fewer numbers than its rows speak of"});
  expect_bad_input([&] { read(-1, 1); }, {"'/place'", "fewer numbers than its rows speak of"});
  record.make_group("/place_of_group");
  const RecordArray group{.path = "/place_of_group", .kind = ColumnKind::float32, .unit = "", .meaning = ""};
  expect_bad_input([&] { record.append_numbers<float>(group, std::vector<float>{1}); }, {"/place_of_group"});
}

TEST(RecordArray, IsDescribedWithItsTable) {
  const TemporaryDirectory directory;
  auto record = RecordFile::create(directory / "run.h5");
  add_row(record, 1);
  EXPECT_EQ(record.attribute("/place", "unit"), AttributeValue(std::string("m")));
  EXPECT_EQ(record.attribute("/time", "meaning"), AttributeValue(std::string("when")));
  const TableSchema schema = schema_of<PathRow>();
  EXPECT_TRUE(
      schema_section(schema).ends_with("| array | unit | type | meaning |\n"
                                       "|---|---|---|---|\n"
                                       "| `/place` | m | float32 | where |\n"
                                       "| `/time` | s | int64 | when |\n"))
      << schema_section(schema);
  EXPECT_NE(schema_json(std::span(&schema, 1)).find("\"path\": \"/time\",\n          \"type\": \"int64\""),
            std::string::npos);
}

TEST(RecordFile, BlocksStayThroughCommitsAndResumes) {
  const TemporaryDirectory folder;
  const std::vector<std::int32_t> values{1, -2, 3, 4, 5, 6};
  const std::array<std::int64_t, 3> shape{1, 2, 3};
  const auto expect_block = [&](const std::string& name) {
    std::vector<std::int32_t> read(values.size());
    const TensorReader reader = TensorReader::open(folder / "run.h5");
    EXPECT_EQ(reader.describe(name).shape, std::vector<std::int64_t>(shape.begin(), shape.end()));
    reader.read(name, {.start = {0, 0, 0}, .count = {1, 2, 3}}, std::span(read));
    EXPECT_EQ(read, values);
  };
  {
    RecordFile record = RecordFile::create(folder / "run.h5");
    record.write_block("/codes/a", shape, values, "numbers");
    EXPECT_TRUE(record.has_uncommitted());
    record.commit();
    expect_block("codes/a");
    test::expect_error(ErrorKind::internal, [&] { record.write_block("/codes/a", shape, values, ""); }, {"its own"});
    test::expect_error(ErrorKind::internal,
                       [&] { record.write_block("/codes/b", std::array<std::int64_t, 1>{7}, values, ""); },
                       {"as many values"});
  }
  RecordFile record = RecordFile::resume(folder / "run.h5");
  record.write_block("/codes/b", shape, values, "numbers");
  record.fold();
  expect_block("codes/a");
  expect_block("codes/b");
}

// A block makes new structure, so that each commit writes an image and says where the journal behind it begins.
TEST(RecordFileBlock, AFileThatAKillLeavesBetweenBlocksIsWhole) {
  const test::TemporaryDirectory folder;
  RecordFile record = RecordFile::create(folder / "run.h5");
  for (std::int32_t block = 0; block < 60; ++block) {
    const std::array<std::int64_t, 3> shape{1 + block % 7, 5, 5};
    const std::vector<std::int32_t> values(static_cast<std::size_t>(shape[0] * 25), block);
    record.write_block("/codes/clip" + std::to_string(block), shape, values, "numbers");
    record.append(test::SampleRow{});
    record.commit();
    record.append(test::SampleRow{});
    record.commit();
    std::filesystem::copy_file(folder / "run.h5", folder / ("left" + std::to_string(block) + ".h5"));
    EXPECT_NO_THROW(static_cast<void>(RecordFile::resume(folder / ("left" + std::to_string(block) + ".h5")))) << block;
  }
}

}  // namespace
}  // namespace ringworld
