#include "device/host/memory_limit.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>  // mkdtemp

#include <fstream>
#include <string>
#include <string_view>

namespace ringworld::test {
namespace {

namespace fs = std::filesystem;

/// A made-up /proc and hierarchies of groups.
class MemoryLimit : public testing::Test {
 protected:
  void SetUp() override {
    auto pattern = (fs::temp_directory_path() / "ringworld-groups-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const fs::path& name, std::string_view text) const {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }
  void mount(std::string_view root, std::string_view point, std::string_view type_and_options) {
    mounts_ +=
        fmt::format("31 23 0:26 {} {}/{} rw,nosuid shared:9 - {}\n", root, root_.string(), point, type_and_options);
    write("proc/mountinfo", mounts_);
  }
  void group(std::string_view lines) const { write("proc/cgroup", lines); }
  [[nodiscard]] std::int64_t available() const { return MemoryGroups(root_ / "proc").available_bytes(); }

 private:
  fs::path root_;
  std::string mounts_;
};

TEST_F(MemoryLimit, OfVersion1IsTheProcesssOwnGroups) {
  mount("/", "cpu", "cgroup cgroup rw,cpu");
  mount("/", "memory", "cgroup cgroup rw,memory");
  group("5:cpu:/\n4:memory:/job/step\n0::/\n");
  write("memory/job/step/memory.limit_in_bytes", "1000\n");
  write("memory/job/step/memory.usage_in_bytes", "300\n");
  write("memory/job/step/memory.stat", "inactive_file 1\ntotal_inactive_file 100\n");
  write("memory/memory.limit_in_bytes", "9223372036854771712\n");
  write("memory/memory.usage_in_bytes", "5\n");
  EXPECT_EQ(available(), 1000 - (300 - 100));
}

TEST_F(MemoryLimit, OfVersion2IsTheLeastOfAllGroupsAbove) {
  mount("/", "unified", "cgroup2 cgroup2 rw,nsdelegate");
  group("0::/slurm/job_1/step_0\n");
  write("unified/slurm/job_1/step_0/memory.max", "max\n");
  write("unified/slurm/job_1/step_0/memory.current", "10\n");
  write("unified/slurm/job_1/memory.max", "500\n");
  write("unified/slurm/job_1/memory.current", "100\n");
  write("unified/slurm/memory.max", "2000\n");
  write("unified/slurm/memory.current", "1900\n");
  EXPECT_EQ(available(), 100);
  write("unified/slurm/job_1/memory.high", "150\n");
  EXPECT_EQ(available(), 50);
  write("unified/slurm/job_1/memory.current", "700\n");
  EXPECT_EQ(available(), 0);
}

TEST_F(MemoryLimit, IsSeenFromInsideAContainer) {
  // Without a namespace of its own the container sees its group's path from the host's top.
  mount("/docker/1f", "memory", "cgroup cgroup rw,memory");
  group("4:memory:/docker/1f\n");
  write("memory/memory.limit_in_bytes", "800\n");
  write("memory/memory.usage_in_bytes", "300\n");
  EXPECT_EQ(available(), 500);
  group("4:memory:/docker/1f/inner\n");
  write("memory/inner/memory.limit_in_bytes", "400\n");
  write("memory/inner/memory.usage_in_bytes", "300\n");
  EXPECT_EQ(available(), 100);
  group("4:memory:/elsewhere\n");  // not to be seen from here: the mount is what counts
  EXPECT_EQ(available(), 500);
}

TEST_F(MemoryLimit, OfBothVersionsTheLesserHolds) {
  mount("/", "memory", "cgroup cgroup rw,memory");
  mount("/", "unified", "cgroup2 cgroup2 rw");
  group("4:memory:/a\n0::/b\n");
  write("memory/a/memory.limit_in_bytes", "700\n");
  write("memory/a/memory.usage_in_bytes", "0\n");
  write("unified/b/memory.max", "600\n");
  write("unified/b/memory.current", "0\n");
  EXPECT_EQ(available(), 600);
}

TEST_F(MemoryLimit, IsNoneWithoutAGroup) {
  EXPECT_EQ(available(), no_memory_limit);
  mount("/", "unified", "cgroup2 cgroup2 rw");
  group("0::/\n");
  EXPECT_EQ(available(), no_memory_limit);
}

}  // namespace
}  // namespace ringworld::test
