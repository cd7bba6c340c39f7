#include "io/output_lock.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>  // kill
#include <stdlib.h>  // setenv
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <optional>

#include "expect_error.hpp"
#include "io/record_file.hpp"
#include "temporary_directory.hpp"

namespace ringworld {
namespace {

using test::expect_bad_input;
using test::TemporaryDirectory;

/// Another process, which takes a lock and keeps it until it is killed.
class OtherHolder {
 public:
  OtherHolder(const std::filesystem::path& path, LockKind kind) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe(ends.data()), 0);
    process_ = ::fork();
    if (process_ == 0) {
      const auto lock = OutputLock::acquire(path, kind);
      static_cast<void>(::write(ends[1], "x", 1));
      while (true) {
        ::pause();
      }
    }
    char ready = 0;
    EXPECT_EQ(::read(ends[0], &ready, 1), 1);
    ::close(ends[0]);
    ::close(ends[1]);
  }
  OtherHolder(const OtherHolder&) = delete;
  OtherHolder& operator=(const OtherHolder&) = delete;
  ~OtherHolder() { end(); }

  void end() {
    if (process_ > 0) {
      ::kill(process_, SIGKILL);
      ::waitpid(process_, nullptr, 0);
      process_ = -1;
    }
  }
  [[nodiscard]] pid_t process() const { return process_; }

 private:
  pid_t process_ = -1;
};

class OutputLockOfKind : public testing::TestWithParam<LockKind> {};

TEST_P(OutputLockOfKind, RefusesASecondProcessAndNamesTheFirst) {
  const TemporaryDirectory directory;
  const OtherHolder holder(directory / "out.h5", GetParam());
  const std::string process = fmt::format("process {}", holder.process());
  expect_bad_input([&] { static_cast<void>(OutputLock::acquire(directory / "out.h5", GetParam())); },
                   {"cannot write '", "out.h5'", process, LockHolder::this_process().host, "since 2", "is writing it"});
}

TEST_P(OutputLockOfKind, IsTakenOverFromAKilledProcess) {
  const TemporaryDirectory directory;
  OtherHolder holder(directory / "out.h5", GetParam());
  holder.end();
  EXPECT_TRUE(std::filesystem::exists(lock_path(directory / "out.h5")));
  {
    const auto lock = OutputLock::acquire(directory / "out.h5", GetParam());
    const auto found = LockHolder::from_text(test::read_text(lock_path(directory / "out.h5")));
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->pid, ::getpid());
  }
  EXPECT_EQ(directory.file_count(), 0);
}

TEST_P(OutputLockOfKind, IsOneForAllNamesOfAFile) {
  const TemporaryDirectory directory;
  std::filesystem::create_symlink("out.h5", directory / "link.h5");  // leads to nothing yet
  const OtherHolder holder(directory / "link.h5", GetParam());
  expect_bad_input([&] { static_cast<void>(OutputLock::acquire(directory / "./out.h5", GetParam())); },
                   {"is writing it"});
}

INSTANTIATE_TEST_SUITE_P(Kinds, OutputLockOfKind, testing::Values(LockKind::kernel, LockKind::file),
                         [](const auto& kind) { return kind.param == LockKind::kernel ? "Kernel" : "File"; });

TEST(OutputLock, IsSharedInsideAProcessUntilTheLastHolderEnds) {
  const TemporaryDirectory directory;
  std::optional<OutputLock> first = OutputLock::acquire(directory / "out.h5");
  std::optional<OutputLock> second = OutputLock::acquire(directory / "out.h5");
  first.reset();
  EXPECT_TRUE(std::filesystem::exists(lock_path(directory / "out.h5")));
  second.reset();
  EXPECT_EQ(directory.file_count(), 0);
}

TEST(OutputLock, OfAnotherHostCountsUnlessItIsTheSameJobRequeued) {
  const TemporaryDirectory directory;
  LockHolder elsewhere = LockHolder::this_process();
  elsewhere.host = "node-7";
  elsewhere.job = "4711";
  const auto acquire = [&] { static_cast<void>(OutputLock::acquire(directory / "out.h5", LockKind::file)); };
  test::write_text(lock_path(directory / "out.h5"), elsewhere.to_text());
  ::setenv("SLURM_JOB_ID", "4712", 1);
  expect_bad_input(acquire, {"node-7", "job 4711", "if it has ended, remove"});
  ::setenv("SLURM_JOB_ID", "4711", 1);
  EXPECT_NO_THROW(acquire());
  ::unsetenv("SLURM_JOB_ID");
}

TEST(OutputLock, OfAProcessNumberThatWasGivenAgainIsStale) {
  const TemporaryDirectory directory;
  LockHolder earlier = LockHolder::this_process();
  earlier.started -= 1;
  test::write_text(lock_path(directory / "out.h5"), earlier.to_text());
  EXPECT_NO_THROW(static_cast<void>(OutputLock::acquire(directory / "out.h5", LockKind::file)));
}

TEST(OutputLock, ARecordHoldsIt) {
  const TemporaryDirectory directory;
  const OtherHolder holder(directory / "run.h5", LockKind::kernel);
  expect_bad_input([&] { static_cast<void>(RecordFile::create(directory / "run.h5")); }, {"is writing it"});
  EXPECT_FALSE(std::filesystem::exists(directory / "run.h5"));
}

TEST(OutputLock, TheNameOfTheLongestFileHasRoomForIt) {
  const TemporaryDirectory directory;
  const std::string name(255, 'n');
  EXPECT_NO_THROW(static_cast<void>(RecordFile::create(directory / name)));
  EXPECT_TRUE(std::filesystem::exists(directory / name));
}

}  // namespace
}  // namespace ringworld
