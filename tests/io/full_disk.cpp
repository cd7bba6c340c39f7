#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <vector>

#include "expect_error.hpp"
#include "io/pending_file.hpp"
#include "io/record_file.hpp"
#include "io/tensor_file.hpp"
#include "sample_row.hpp"
#include "temporary_directory.hpp"

namespace ringworld {
namespace {

using test::expect_bad_input;
using test::TemporaryDirectory;

/// Lets no file of this process grow beyond so many bytes: a full disk, without one.
class LargestFile {
 public:
  explicit LargestFile(rlim_t bytes) {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit now{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
  }
  LargestFile(const LargestFile&) = delete;
  LargestFile& operator=(const LargestFile&) = delete;
  ~LargestFile() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

TEST(FullDisk, IsFoundBeforeTensorsAreWritten) {
  const TemporaryDirectory directory;
  test::write_text(directory / "out.h5", "old");
  {
    const LargestFile limit(64 * 1024);
    expect_bad_input(
        [&] {
          auto writer = TensorWriter::create(directory / "out.h5");
          writer.add("fits", std::vector<std::int64_t>{1000});
          writer.add("does_not", std::vector<std::int64_t>{100'000});
        },
        {"cannot write '", "out.h5'", "File too large"});
  }
  EXPECT_EQ(test::read_text(directory / "out.h5"), "old");
  EXPECT_EQ(directory.file_count(), 1);
}

TEST(FullDisk, ThatIsMetWhileTensorsAreWrittenEndsTheWriterInOrder) {
  const TemporaryDirectory directory;
  test::write_text(directory / "out.h5", "old");
  {
    auto writer = TensorWriter::create(directory / "out.h5");
    writer.add("q", std::vector<std::int64_t>{100'000});
    const LargestFile limit(64 * 1024);
    const std::vector<float> values(100'000, 1.0F);
    expect_bad_input([&] { writer.write("q", {.start = {0}, .count = {100'000}}, values); },
                     {"'q'", "out.h5'", "File too large"});
  }
  EXPECT_EQ(test::read_text(directory / "out.h5"), "old");
  EXPECT_EQ(directory.file_count(), 1);
  // The library is as good as new.
  auto writer = TensorWriter::create(directory / "out.h5");
  writer.add("q", std::vector<std::int64_t>{4});
  writer.finish();
  EXPECT_TRUE(TensorReader::open(directory / "out.h5").has("q"));
}

TEST(FullDisk, LeavesTheLastCommitOfARecord) {
  const TemporaryDirectory directory;
  {
    auto record = RecordFile::create(directory / "run.h5");
    record.append(test::sample_row(0));
    record.commit();
    record.append(test::sample_row(1));
    const LargestFile limit(512);
    expect_bad_input([&] { record.commit(); }, {"cannot write '", "run.h5'", "File too large"});
  }
  EXPECT_EQ(RecordFile::resume(directory / "run.h5").read<test::SampleRow>().size(), 1U);
}

TEST(FullDisk, InTheMiddleOfACommitLeavesTheOnesBeforeAndTheRecordGoesOn) {
  const TemporaryDirectory directory;
  auto record = RecordFile::create(directory / "run.h5");
  record.append(test::sample_row(0));
  record.commit();
  const auto size = std::filesystem::file_size(directory / "run.h5");
  record.append(test::sample_row(1));
  {
    const LargestFile limit(size + 40);  // not enough for a row and its frame
    expect_bad_input([&] { record.commit(); }, {"cannot write '", "run.h5'", "File too large"});
  }
  EXPECT_EQ(std::filesystem::file_size(directory / "run.h5"), size) << "no half commit is left";
  EXPECT_EQ(RecordFile::stand_in(directory / "run.h5").read<test::SampleRow>().size(), 1U);
  record.append(test::sample_row(2));
  record.commit();
  EXPECT_EQ(RecordFile::stand_in(directory / "run.h5").read<test::SampleRow>().size(), 3U);
}

TEST(FullDisk, LeavesWhatACopyWouldHaveReplaced) {
  const TemporaryDirectory directory;
  test::write_text(directory / "stage", "old");
  test::write_text(directory / "model", std::string(10'000, 'm'));
  {
    const LargestFile limit(4096);
    expect_bad_input([&] { replace_with_copy(directory / "model", directory / "stage"); },
                     {"cannot write '", "stage'"});
  }
  EXPECT_EQ(test::read_text(directory / "stage"), "old");
  replace_with_copy(directory / "model", directory / "stage");
  EXPECT_EQ(test::read_text(directory / "stage"), std::string(10'000, 'm'));
  EXPECT_EQ(directory.file_count(), 2);
}

TEST(FullDisk, ReservedRoomIsGivenBack) {
  const TemporaryDirectory directory;
  PendingFile file(directory / "out");
  file.write(std::as_bytes(std::span("12345", 5)));
  file.reserve(1 << 20);
  file.publish();
  EXPECT_EQ(test::read_text(directory / "out"), "12345");
}

}  // namespace
}  // namespace ringworld
