#include "io/record_file.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

#include "expect_error.hpp"
#include "sample_row.hpp"
#include "temporary_directory.hpp"

namespace ringworld {
namespace {

using test::expect_bad_input;
using test::sample_row;
using test::SampleRow;
using test::TemporaryDirectory;

TEST(RecordFile, ReturnsEveryMemberOfEveryRow) {
  const TemporaryDirectory directory;
  std::vector<SampleRow> rows;
  {
    auto record = RecordFile::create(directory / "run.h5");
    EXPECT_FALSE(record.has_table<SampleRow>());
    EXPECT_TRUE(record.read<SampleRow>().empty());
    for (std::int64_t i = 0; i < 150; ++i) {  // more than two chunks
      rows.push_back(sample_row(i));
      EXPECT_EQ(record.append(rows.back()), i);
    }
    EXPECT_EQ(record.read<SampleRow>(), rows);
    record.commit();
  }
  {
    const auto record = RecordFile::resume(directory / "run.h5");
    EXPECT_TRUE(record.has_table<SampleRow>());
    EXPECT_EQ(record.read<SampleRow>(), rows);
  }
  EXPECT_EQ(directory.file_count(), 1);
}

TEST(RecordFile, AppendsManyRowsAtOnce) {
  const TemporaryDirectory directory;
  auto record = RecordFile::create(directory / "run.h5");
  const std::vector<SampleRow> rows{sample_row(1), sample_row(2), sample_row(3)};
  EXPECT_EQ(record.append_all(std::span(rows)), 0);
  EXPECT_EQ(record.append_all(std::span<const SampleRow>()), 3);
  EXPECT_EQ(record.append(sample_row(4)), 3);
  EXPECT_EQ(record.read<SampleRow>().at(2), rows[2]);
}

TEST(RecordFile, GoesOnWhereItWasResumed) {
  const TemporaryDirectory directory;
  for (std::int64_t i = 0; i < 3; ++i) {
    auto record = i == 0 ? RecordFile::create(directory / "run.h5") : RecordFile::resume(directory / "run.h5");
    EXPECT_EQ(record.append(sample_row(i)), i);
    record.commit();
  }
  EXPECT_EQ(RecordFile::resume(directory / "run.h5").read<SampleRow>().size(), 3U);
}

TEST(RecordFile, ChangesTheFileOnCommitOnly) {
  const TemporaryDirectory directory;
  auto record = RecordFile::create(directory / "run.h5");
  record.append(sample_row(0));
  EXPECT_TRUE(RecordFile::resume(directory / "run.h5").read<SampleRow>().empty());
  record.commit();
  EXPECT_EQ(RecordFile::resume(directory / "run.h5").read<SampleRow>().size(), 1U);
}

TEST(RecordFile, CutsTextAtWholeCharacters) {
  const TemporaryDirectory directory;
  auto record = RecordFile::create(directory / "run.h5");
  SampleRow row;
  row.name = "abcµ";  // room for four bytes of five
  record.append(row);
  EXPECT_EQ(record.read<SampleRow>().at(0).name.view(), "abc");
}

TEST(RecordFile, KeepsAttributesOfEveryType) {
  const TemporaryDirectory directory;
  const std::vector<AttributeValue> values{true,
                                           std::int64_t{-5},
                                           0.25,
                                           std::string("µs\n"),
                                           std::string(),
                                           std::vector<std::string>{"a", "", "b c"},
                                           std::vector<std::string>{},
                                           std::vector<std::int64_t>{1, 2}};
  {
    auto record = RecordFile::create(directory / "run.h5");
    for (std::size_t i = 0; i < values.size(); ++i) {
      record.set_attribute("/some/group", std::to_string(i), std::string("replaced below"));
      record.set_attribute("/some/group", std::to_string(i), values[i]);
    }
    record.commit();
  }
  const auto record = RecordFile::resume(directory / "run.h5");
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(record.attribute("/some/group", std::to_string(i)), values[i]) << i;
  }
  EXPECT_FALSE(record.attribute("/some/group", "none"));
  EXPECT_FALSE(record.attribute("/no/group", "0"));
  EXPECT_FALSE(record.has("/no/group"));
}

TEST(RecordFile, MakesAGroupOnce) {
  const TemporaryDirectory directory;
  auto record = RecordFile::create(directory / "run.h5");
  record.make_group("/some/group");
  record.make_group("/some/group");
  EXPECT_TRUE(record.has("/some/group"));
}

TEST(RecordFile, KeepsTextsOfAnyLength) {
  const TemporaryDirectory directory;
  auto record = RecordFile::create(directory / "run.h5");
  const std::string text(1'000'000, 'x');  // attributes of fixed size end at 64 KiB
  record.set_attribute("/provenance", "configuration", text);
  record.commit();
  EXPECT_EQ(RecordFile::resume(directory / "run.h5").attribute("/provenance", "configuration"), AttributeValue(text));
}

TEST(RecordFile, DescribesItsColumns) {
  const TemporaryDirectory directory;
  auto record = RecordFile::create(directory / "run.h5");
  record.append(sample_row(0));
  EXPECT_EQ(record.attribute("/group/samples", "meaning"), AttributeValue(std::string("one | sample")));
  EXPECT_EQ(record.attribute("/group/samples", "columns"),
            AttributeValue(std::vector<std::string>{"valid", "small", "name", "bytes", "causal", "seconds"}));
  EXPECT_EQ(record.attribute("/group/samples", "units"),
            AttributeValue(std::vector<std::string>{"", "", "", "B", "", "s"}));
}

TEST(RecordFile, KeepsAFileThatWasThere) {
  const TemporaryDirectory directory;
  EXPECT_FALSE(RecordFile::create(directory / "run.h5").backup());
  test::write_text(directory / "run.h5", "precious");
  const auto record = RecordFile::create(directory / "run.h5");
  EXPECT_EQ(record.backup(), directory / "run.h5.1~");
  EXPECT_EQ(test::read_text(directory / "run.h5.1~"), "precious");
  EXPECT_EQ(RecordFile::create(directory / "run.h5").backup(), directory / "run.h5.2~");
}

TEST(RecordFile, RefusesAnOutputThatCannotBeWritten) {
  const TemporaryDirectory directory;
  expect_bad_input([&] { static_cast<void>(RecordFile::create(directory / "missing/run.h5")); },
                   {"missing/run.h5", "there is no directory"});
  expect_bad_input([&] { static_cast<void>(RecordFile::create(directory.path())); }, {"a directory"});
  EXPECT_EQ(directory.file_count(), 0);
}

TEST(RecordFile, KeepsTheLastCommitWhenTheNextFails) {
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "results");
  auto record = RecordFile::create(directory / "results/run.h5");
  std::filesystem::rename(directory / "results", directory / "moved");
  expect_bad_input([&] { record.commit(); }, {"results/run.h5"});
  std::filesystem::rename(directory / "moved", directory / "results");
  record.append(sample_row(0));
  record.commit();
  EXPECT_EQ(RecordFile::resume(directory / "results/run.h5").read<SampleRow>().size(), 1U);
}

TEST(RecordFile, RefusesToResumeWhatIsNoRecord) {
  const TemporaryDirectory directory;
  const auto resume = [&](const char* name) { static_cast<void>(RecordFile::resume(directory / name)); };
  expect_bad_input([&] { resume("none.h5"); }, {"none.h5", "there is no such file"});
  expect_bad_input([&] { resume(""); }, {"not a file"});
  test::write_text(directory / "text.h5", "context_length = 4096\n");
  expect_bad_input([&] { resume("text.h5"); }, {"text.h5", "not an HDF5 file"});
  test::write_text(directory / "empty.h5", "");
  expect_bad_input([&] { resume("empty.h5"); }, {"empty.h5", "not an HDF5 file"});
}

TEST(RecordFile, RefusesTruncatedFilesOfAnyLength) {
  const TemporaryDirectory directory;
  {
    auto record = RecordFile::create(directory / "run.h5");
    record.append(sample_row(0));
    record.commit();
  }
  const auto whole = test::read_text(directory / "run.h5");
  for (const std::size_t size : {std::size_t{8}, std::size_t{100}, whole.size() / 2, whole.size() - 1}) {
    test::write_text(directory / "cut.h5", std::string_view(whole).substr(0, size));
    expect_bad_input([&] { static_cast<void>(RecordFile::resume(directory / "cut.h5")); },
                     {"cut.h5", "truncated or damaged"});
  }
}

}  // namespace
}  // namespace ringworld
