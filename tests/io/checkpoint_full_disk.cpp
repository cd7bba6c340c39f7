/// @file  A disk that is full for one rank: all ranks must leave in order, with that rank's reason.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>
#include <optional>
#include <vector>

#include "comm/communicator.hpp"
#include "io/checkpoint.hpp"
#include "temporary_directory.hpp"

namespace ringworld {
namespace {

TEST(CheckpointOnAFullDisk, EveryRankThrowsTheReasonAndTheOldFileStays) {
  const Communicator world = Communicator::world();
  std::optional<test::TemporaryDirectory> own;
  if (world.is_root()) {
    own.emplace();
    test::write_text(*own / "model.h5", "old");
  }
  const std::filesystem::path path = world.broadcast(own ? (*own / "model.h5").string() : std::string(), 0);
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);

  const std::int64_t rows = 1000;
  const std::vector<float> values(static_cast<std::size_t>(world.is_root() ? rows * 100 : 0), 1.0F);
  const TensorRange range{.shape = {rows, 100}, .begin = 0, .end = std::ssize(values)};
  std::string message;
  {
    CheckpointWriter writer(world, path);
    if (world.is_root()) {
      const rlimit now{.rlim_cur = 64 * 1024, .rlim_max = before.rlim_max};
      ::setrlimit(RLIMIT_FSIZE, &now);
    }
    try {
      writer.write("weight", range, values);
    } catch (const Error& error) {
      EXPECT_TRUE(error.is_collective());
      EXPECT_EQ(error.kind(), ErrorKind::bad_input);
      message = error.what();
    }
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_NE(message.find("model.h5': File too large"), std::string::npos) << message;
  if (world.is_root()) {
    EXPECT_EQ(test::read_text(path), "old");
    EXPECT_EQ(own->file_count(), 1);
  }

  CheckpointWriter again(world, path);  // the library is as good as new
  again.write("weight", range, values);
  again.publish();
  EXPECT_TRUE(CheckpointReader(world, path).has("weight"));
  world.barrier();
}

TEST(CheckpointOnAFullDisk, ThatOneRankMeetsAloneIsAnErrorOfAllRanks) {
  const Communicator world = Communicator::world();
  std::optional<test::TemporaryDirectory> own;
  if (world.is_root()) {
    own.emplace();
    test::write_text(*own / "model.h5", "old");
  }
  const std::filesystem::path path = world.broadcast(own ? (*own / "model.h5").string() : std::string(), 0);
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const std::int64_t rows_per_rank = 500;
  const std::vector<float> values(static_cast<std::size_t>(rows_per_rank * 100), 1.0F);
  const std::int64_t begin = world.rank() * std::ssize(values);
  std::string message;
  {
    CheckpointWriter writer(world, path);
    if (world.rank() == world.size() - 1) {  // the end of the tensor is its own
      const rlimit now{.rlim_cur = static_cast<rlim_t>(4 * begin + 64 * 1024), .rlim_max = before.rlim_max};
      ::setrlimit(RLIMIT_FSIZE, &now);
    }
    try {
      writer.write("weight",
                   {.shape = {rows_per_rank * world.size(), 100}, .begin = begin, .end = begin + std::ssize(values)},
                   values);
    } catch (const Error& error) {
      EXPECT_TRUE(error.is_collective());
      EXPECT_EQ(error.kind(), ErrorKind::bad_input);
      message = error.what();
    }
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_NE(message.find("model.h5': File too large"), std::string::npos) << message;
  if (world.is_root()) {
    EXPECT_EQ(test::read_text(path), "old");
    EXPECT_EQ(own->file_count(), 1);
  }
  world.barrier();
}

TEST(CheckpointOnAFullDisk, ThatIsMetAtTheEndIsAnErrorOfAllRanks) {
  const Communicator world = Communicator::world();
  std::optional<test::TemporaryDirectory> own;
  if (world.is_root()) {
    own.emplace();
    test::write_text(*own / "model.h5", "old");
  }
  const std::filesystem::path path = world.broadcast(own ? (*own / "model.h5").string() : std::string(), 0);
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const std::vector<float> values(static_cast<std::size_t>(world.is_root() ? 100 : 0), 1.0F);
  bool has_failed = false;
  std::string message;
  {
    CheckpointWriter writer(world, path);
    writer.write("weight", {.shape = {100}, .begin = 0, .end = std::ssize(values)}, values);
    const rlimit now{.rlim_cur = 16, .rlim_max = before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
    try {
      writer.publish();
    } catch (const Error& error) {
      has_failed = error.is_collective() && error.kind() == ErrorKind::bad_input;
      message = error.what();
    }
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_TRUE(has_failed) << message;
  if (world.is_root()) {
    EXPECT_EQ(test::read_text(path), "old");
    EXPECT_EQ(own->file_count(), 1);
  }
  world.barrier();
}

}  // namespace
}  // namespace ringworld
