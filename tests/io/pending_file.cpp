#include "io/pending_file.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <span>
#include <string_view>

#include "expect_error.hpp"
#include "temporary_directory.hpp"

namespace ringworld {
namespace {

using test::expect_bad_input;
using test::TemporaryDirectory;

void write(const PendingFile& file, std::string_view text) { file.write(std::as_bytes(std::span(text))); }

TEST(PendingFile, ReplacesItsTargetOnlyWhenPublished) {
  const TemporaryDirectory directory;
  const auto path = directory / "file";
  test::write_text(path, "old");
  {
    PendingFile file(path);
    write(file, "a longer new text");
    write(file, "new");
    EXPECT_EQ(test::read_text(path), "old");
    file.publish();
  }
  EXPECT_EQ(test::read_text(path), "new");
  EXPECT_EQ(directory.file_count(), 1);
}

TEST(PendingFile, LeavesNothingBehindWhenDropped) {
  const TemporaryDirectory directory;
  {
    const PendingFile file(directory / "file");
  }
  EXPECT_EQ(directory.file_count(), 0);
}

TEST(PendingFile, FollowsALinkAndKeepsIt) {
  const TemporaryDirectory directory;
  test::write_text(directory / "scratch", "old");
  std::filesystem::create_symlink(directory / "scratch", directory / "link");
  PendingFile file(directory / "link");
  write(file, "new");
  file.publish();
  EXPECT_TRUE(std::filesystem::is_symlink(directory / "link"));
  EXPECT_EQ(test::read_text(directory / "scratch"), "new");
}

TEST(PendingFile, SaysWhyATargetCannotBeWritten) {
  const TemporaryDirectory directory;
  test::write_text(directory / "file", "");
  expect_bad_input([&] { const PendingFile file(directory / "missing/out.h5"); },
                   {"cannot write '", "missing/out.h5'", "there is no directory"});
  expect_bad_input([&] { const PendingFile file(directory.path()); }, {directory.path().native(), "a directory"});
  expect_bad_input([&] { const PendingFile file(directory / "file/out.h5"); }, {"there is no directory"});
  expect_bad_input([] { const PendingFile file("/dev/null"); }, {"'/dev/null'", "not a regular file"});
}

TEST(PendingFile, SaysThatADirectoryIsReadOnly) {
  if (::geteuid() == 0) {
    GTEST_SKIP() << "the superuser may write everywhere";
  }
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "closed");
  std::filesystem::permissions(directory / "closed", std::filesystem::perms::owner_read);
  expect_bad_input([&] { const PendingFile file(directory / "closed/out.h5"); },
                   {"closed/out.h5", "Permission denied"});
  std::filesystem::permissions(directory / "closed", std::filesystem::perms::owner_all);
}

TEST(RemoveStaleTemporaries, LeavesEveryOtherFile) {
  const TemporaryDirectory directory;
  for (const auto* name :
       {"run.h5", "run.h5.tmp-17", "run.h5.tmp-", "run.h5.tmp-17~", "run.h5.1~", "other.h5.tmp-17"}) {
    test::write_text(directory / name, "");
  }
  remove_stale_temporaries(directory / "run.h5");
  EXPECT_FALSE(std::filesystem::exists(directory / "run.h5.tmp-17"));
  EXPECT_EQ(directory.file_count(), 5);
  remove_stale_temporaries(directory / "missing/run.h5");
}

TEST(BackUpFile, TakesTheNextFreeNumber) {
  const TemporaryDirectory directory;
  const auto path = directory / "file";
  EXPECT_FALSE(back_up_file(path));
  test::write_text(path, "first");
  EXPECT_EQ(back_up_file(path), directory / "file.1~");
  test::write_text(path, "second");
  EXPECT_EQ(back_up_file(path), directory / "file.2~");
  EXPECT_EQ(test::read_text(directory / "file.1~"), "first");
}

}  // namespace
}  // namespace ringworld
