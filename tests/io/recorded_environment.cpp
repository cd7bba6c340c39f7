#include "io/recorded_environment.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>  // setenv

#include <algorithm>

namespace ringworld {
namespace {

TEST(RecordedEnvironment, KeepsWhatSteersTheRun) {
  for (const auto* name : {"OMP_NUM_THREADS", "OMPI_MCA_btl", "UCX_TLS", "NCCL_DEBUG", "KOKKOS_DEVICES",
                           "CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID", "RINGWORLD_ISA", "OPENBLAS_NUM_THREADS"}) {
    EXPECT_TRUE(is_recorded_variable(name)) << name;
  }
}

TEST(RecordedEnvironment, LeavesOutEverythingElseAndCredentials) {
  for (const auto* name : {"HOME", "PATH", "USER", "SLURM_JWT", "SLURM_JOB_ACCOUNT", "GITHUB_TOKEN", "RINGWORLD_TOKEN",
                           "OMPI_MCA_orte_precondition_transports", "OMPI_MCA_orte_hnp_uri", "UCX_AUTH_FILE", "OMP"}) {
    EXPECT_FALSE(is_recorded_variable(name)) << name;
  }
}

TEST(RecordedEnvironment, ListsTheVariablesOfThisProcess) {
  ASSERT_EQ(::setenv("RINGWORLD_TEST_VARIABLE", "a=b", 1), 0);
  const auto variables = recorded_environment();
  const std::pair<std::string, std::string> expected{"RINGWORLD_TEST_VARIABLE", "a=b"};
  EXPECT_NE(std::ranges::find(variables, expected), variables.end());
  ::unsetenv("RINGWORLD_TEST_VARIABLE");
}

}  // namespace
}  // namespace ringworld
