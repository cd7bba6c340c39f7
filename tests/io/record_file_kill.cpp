#include <gtest/gtest.h>
#include <signal.h>  // kill
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <exception>
#include <random>
#include <thread>

#include "io/record_file.hpp"
#include "sample_row.hpp"
#include "temporary_directory.hpp"

namespace ringworld {
namespace {

using test::sample_row;
using test::SampleRow;

/// Resumes the record, then appends and commits rows for ever; reports the number of rows after each commit.
[[noreturn]] void append_until_killed(const std::filesystem::path& path, int report) {
  try {
    auto record = RecordFile::resume(path);
    for (auto count = static_cast<std::int64_t>(record.read<SampleRow>().size());;) {
      record.append(sample_row(count));
      record.commit();
      ++count;
      if (::write(report, &count, sizeof count) != sizeof count) {
        break;
      }
    }
  } catch (const std::exception& error) {  // the parent sees the pipe end early
    std::fputs(error.what(), stderr);
  }
  ::_exit(1);
}

/// The next number that the child reported; -1 when the pipe has ended.
std::int64_t next_report(int report) {
  std::int64_t count = -1;
  return ::read(report, &count, sizeof count) == sizeof count ? count : -1;
}

TEST(RecordFile, SurvivesKillAtAnyMoment) {
  const test::TemporaryDirectory directory;
  const auto path = directory / "run.h5";
  static_cast<void>(RecordFile::create(path));
  std::mt19937 random(20240501);
  std::uniform_int_distribution<int> commits(1, 12);
  std::uniform_int_distribution<int> microseconds(0, 3000);

  std::int64_t committed = 0;
  for (int round = 0; round < 25; ++round) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(ends[0]);
      append_until_killed(path, ends[1]);
    }
    ::close(ends[1]);

    // Some commits, so that each round gets on, and then a moment that may lie anywhere inside the next one.
    for (int left = commits(random); left > 0; --left) {
      const auto count = next_report(ends[0]);
      ASSERT_EQ(count, committed + 1) << "the child could not go on";
      committed = count;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(microseconds(random)));
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    for (auto count = next_report(ends[0]); count >= 0; count = next_report(ends[0])) {
      committed = count;
    }
    ::close(ends[0]);

    // Every reported row is there, and at most one that was committed but not reported.
    const auto rows = RecordFile::resume(path).read<SampleRow>();
    const auto found = static_cast<std::int64_t>(rows.size());
    ASSERT_GE(found, committed);
    ASSERT_LE(found, committed + 1);
    for (std::int64_t i = 0; i < found; ++i) {
      ASSERT_EQ(rows[static_cast<std::size_t>(i)], sample_row(i)) << "row " << i;
    }
    committed = found;
    ASSERT_EQ(directory.file_count(), 1) << "what the killed process left is cleared away";
  }
}

}  // namespace
}  // namespace ringworld
