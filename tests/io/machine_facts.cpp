/// @file  The batch system's job, and what messages can travel on.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "io/batch_job.hpp"
#include "io/network_devices.hpp"
#include "temporary_directory.hpp"

namespace ringworld {
namespace {

namespace fs = std::filesystem;

void write_text(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

TEST(BatchJob, IsThatOfTheEnvironment) {
  for (const char* const variable : {"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "FLUX_JOB_ID"}) {
    ::unsetenv(variable);
  }
  EXPECT_EQ(this_batch_job().number, "");
  ::setenv("PBS_JOBID", "17.head", 1);
  EXPECT_EQ(this_batch_job().number, "17.head");
  EXPECT_EQ(this_batch_job().restarts, 0);
  ::setenv("SLURM_JOB_ID", "4711", 1);
  ::setenv("SLURM_RESTART_COUNT", "2", 1);
  EXPECT_EQ(this_batch_job().number, "4711");
  EXPECT_EQ(this_batch_job().restarts, 2);
  ::unsetenv("PBS_JOBID");
  ::unsetenv("SLURM_JOB_ID");
  ::unsetenv("SLURM_RESTART_COUNT");
}

TEST(NetworkDevices, AreTheHighSpeedOnesWhereThereAreAny) {
  const test::TemporaryDirectory directory;
  const fs::path classes = directory / "class";
  EXPECT_EQ(network_devices(classes), "");
  write_text(classes / "net/lo/operstate", "unknown\n");
  write_text(classes / "net/eth0/operstate", "up\n");
  write_text(classes / "net/eth0/speed", "1000\n");
  write_text(classes / "net/eth1/operstate", "up\n");
  write_text(classes / "net/eth1/speed", "-1\n");
  write_text(classes / "net/dummy0/operstate", "down\n");
  EXPECT_EQ(network_devices(classes), "eth0 1000 Mb/s, eth1");
  write_text(classes / "infiniband/mlx5_1/ports/1/rate", "100 Gb/sec (4X EDR)\n");
  write_text(classes / "infiniband/mlx5_0/ports/1/rate", "200 Gb/sec (4X HDR)\n");
  EXPECT_EQ(network_devices(classes), "mlx5_0 200 Gb/sec (4X HDR), mlx5_1 100 Gb/sec (4X EDR)");
}

}  // namespace
}  // namespace ringworld
