// What a commit appends to the file, and what is left of it when the file is cut off, damaged or replaced.
#include <gtest/gtest.h>
#include <hdf5.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <vector>

#include "expect_error.hpp"
#include "io/record_file.hpp"
#include "io/record_journal.hpp"
#include "sample_row.hpp"
#include "temporary_directory.hpp"

namespace ringworld {
namespace {

using test::expect_bad_input;
using test::read_text;
using test::sample_row;
using test::SampleRow;
using test::TemporaryDirectory;
using test::write_text;

struct OtherRow {
  static constexpr std::string_view path = "/others";
  static constexpr std::string_view meaning = "a row of a second table";
  std::int64_t number = 0;
  static Columns columns() { return {Column{"number", &OtherRow::number, Role::key, "", ""}}; }
};

constexpr std::int64_t commits = 4;

/// A record whose image holds one row of each table, and whose journal holds `commits` commits of a row of each.
/// @return the size of the file after each commit, that of the image with the start of its journal first
std::vector<std::size_t> write_journal(const std::filesystem::path& path) {
  auto record = RecordFile::create(path);
  std::vector<std::size_t> sizes;
  for (std::int64_t i = 0; i <= commits; ++i) {
    record.append(sample_row(i));
    record.append(OtherRow{.number = i});
    record.commit();
    sizes.push_back(std::filesystem::file_size(path));
  }
  return sizes;
}

/// The number of whole commits in a file that opens. What else the journal holds has to be spoken of.
std::int64_t commits_in(const std::filesystem::path& path, bool is_cut_short) {
  ::testing::internal::CaptureStderr();
  const auto record = RecordFile::resume(path);
  const std::string warning = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(warning.find("of a commit that was not ended") != std::string::npos, is_cut_short) << warning;
  const auto rows = record.read<SampleRow>();
  const auto others = record.read<OtherRow>();
  EXPECT_EQ(rows.size(), others.size()) << "a commit is taken whole";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i], sample_row(static_cast<std::int64_t>(i)));
    EXPECT_EQ(others[i].number, static_cast<std::int64_t>(i));
  }
  return static_cast<std::int64_t>(rows.size()) - 1;
}

TEST(RecordFileJournal, HoldsEveryWholeCommitOfEveryPrefix) {
  const TemporaryDirectory directory;
  const auto sizes = write_journal(directory / "run.h5");
  const auto whole = read_text(directory / "run.h5");
  for (std::size_t size = sizes.front(); size <= whole.size(); ++size) {
    write_text(directory / "cut.h5", std::string_view(whole).substr(0, size));
    const auto expected = std::ranges::count_if(sizes, [&](std::size_t end) { return end <= size; }) - 1;
    const bool is_cut_short = std::ranges::find(sizes, size) == sizes.end();
    ASSERT_EQ(commits_in(directory / "cut.h5", is_cut_short), expected) << size << " of " << whole.size() << " bytes";
  }
}

TEST(RecordFileJournal, IsMissedWhereTheFileEndsBeforeIt) {
  const TemporaryDirectory directory;
  const auto sizes = write_journal(directory / "run.h5");
  const auto whole = read_text(directory / "run.h5");
  for (const std::size_t missing : {std::size_t{1}, std::size_t{8}}) {
    write_text(directory / "cut.h5", std::string_view(whole).substr(0, sizes.front() - missing));
    expect_bad_input([&] { static_cast<void>(RecordFile::resume(directory / "cut.h5")); },
                     {"cut.h5", "its journal is missing"});
  }
}

TEST(RecordFileJournal, IsRefusedOrKeepsTheCommitsBeforeAFlippedByte) {
  const TemporaryDirectory directory;
  const auto sizes = write_journal(directory / "run.h5");
  const auto whole = read_text(directory / "run.h5");
  for (std::size_t place = sizes.front(); place < whole.size(); ++place) {
    auto flipped = whole;
    flipped[place] = static_cast<char>(flipped[place] ^ 0x10);
    write_text(directory / "flipped.h5", flipped);
    const bool is_in_last_commit = place >= sizes[sizes.size() - 2];
    if (is_in_last_commit) {  // no different from a commit that was not ended
      ASSERT_EQ(commits_in(directory / "flipped.h5", true), commits - 1) << "byte " << place;
    } else {
      expect_bad_input([&] { static_cast<void>(RecordFile::resume(directory / "flipped.h5")); },
                       {"flipped.h5", "damaged", "of its journal is wrong, and a later one is not"});
    }
  }
}

TEST(RecordFileJournal, IgnoresWhateverFollowsTheLastCommit) {
  const TemporaryDirectory directory;
  write_journal(directory / "run.h5");
  const auto whole = read_text(directory / "run.h5");
  for (const std::string& rest : {std::string(1000, '\0'), std::string("RWCOMMIT"), std::string(300, 'x')}) {
    write_text(directory / "more.h5", whole + rest);
    EXPECT_EQ(commits_in(directory / "more.h5", true), commits);
  }
}

TEST(RecordFileJournal, RefusesRowsThatDoNotGoOnWhereTheTableEnds) {
  const TemporaryDirectory directory;
  write_journal(directory / "run.h5");
  const auto whole = read_text(directory / "run.h5");
  const auto with = [&](const JournalRows& rows) {
    const auto frame = encode_commit(commits, {rows});
    write_text(directory / "wrong.h5", whole + std::string(reinterpret_cast<const char*>(frame.data()), frame.size()));
    expect_bad_input([&] { static_cast<void>(RecordFile::resume(directory / "wrong.h5")); }, {"wrong.h5", "journal"});
  };
  const std::vector<std::byte> row(sizeof(std::int64_t));
  with({.dataset = "/others", .first = 2, .count = 1, .bytes = row});
  with({.dataset = "/others", .first = commits + 1, .count = 2, .bytes = row});
  with({.dataset = "/none", .first = 0, .count = 1, .bytes = row});
}

TEST(RecordFileJournal, BehindTheImageDoesNotTroubleHdf5) {
  const TemporaryDirectory directory;
  write_journal(directory / "run.h5");
  const hid_t file = H5Fopen((directory / "run.h5").c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  ASSERT_GE(file, 0);
  EXPECT_GT(H5Aexists(file, "journal_begin"), 0) << "says that the tables may lack something";
  H5Fclose(file);
  {
    auto record = RecordFile::resume(directory / "run.h5");
    record.fold();
  }
  const hid_t folded = H5Fopen((directory / "run.h5").c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  ASSERT_GE(folded, 0);
  EXPECT_EQ(H5Aexists(folded, "journal_begin"), 0);
  const hid_t table = H5Dopen2(folded, "/others", H5P_DEFAULT);
  const hid_t space = H5Dget_space(table);
  EXPECT_EQ(H5Sget_simple_extent_npoints(space), commits + 1);
  H5Sclose(space);
  H5Dclose(table);
  H5Fclose(folded);
}

TEST(RecordFileJournal, GrowsByWhatACommitBringsWhateverTheRecordHolds) {
  const TemporaryDirectory directory;
  auto record = RecordFile::create(directory / "run.h5");
  std::uintmax_t written = 0;
  std::uintmax_t largest_append = 0;
  ino_t inode = 0;
  std::uintmax_t size = 0;
  for (std::int64_t i = 0; i < 2'000; ++i) {
    record.append(sample_row(i));
    record.commit();
    struct stat file{};
    ASSERT_EQ(::stat((directory / "run.h5").c_str(), &file), 0);
    const bool is_folded = file.st_ino != inode;
    const auto bytes = static_cast<std::uintmax_t>(file.st_size) - (is_folded ? 0 : size);
    largest_append = is_folded ? largest_append : std::max(largest_append, bytes);
    written += bytes;
    inode = file.st_ino;
    size = static_cast<std::uintmax_t>(file.st_size);
  }
  EXPECT_LT(largest_append, 200U) << "a row of some 30 bytes, and its frame";
  EXPECT_LT(written, 2'000U * 200U * 3U);
  EXPECT_EQ(RecordFile::stand_in(directory / "run.h5").read<SampleRow>().size(), 2'000U);
}

TEST(RecordFileJournal, IsNotContinuedInAFileOfSomebodyElse) {
  const TemporaryDirectory directory;
  auto record = RecordFile::create(directory / "run.h5");
  record.append(sample_row(0));
  record.commit();
  for (std::int64_t i = 1; i < 4; ++i) {
    if (i == 1) {
      std::filesystem::remove(directory / "run.h5");
    } else if (i == 2) {
      std::filesystem::copy_file(directory / "run.h5", directory / "other");
      std::filesystem::rename(directory / "other", directory / "run.h5");
    } else {
      std::filesystem::resize_file(directory / "run.h5", 10);
    }
    record.append(sample_row(i));
    record.commit();
    EXPECT_EQ(RecordFile::stand_in(directory / "run.h5").read<SampleRow>().size(), static_cast<std::size_t>(i + 1));
  }
}

TEST(RecordFileJournal, GoesOnAfterAFold) {
  const TemporaryDirectory directory;
  auto record = RecordFile::create(directory / "run.h5");
  for (std::int64_t i = 0; i < 6; ++i) {
    record.append(sample_row(i));
    EXPECT_TRUE(record.has_uncommitted());
    i % 2 == 0 ? record.fold() : record.commit();
    EXPECT_FALSE(record.has_uncommitted());
    EXPECT_EQ(RecordFile::stand_in(directory / "run.h5").read<SampleRow>().size(), static_cast<std::size_t>(i + 1));
  }
}

}  // namespace
}  // namespace ringworld
