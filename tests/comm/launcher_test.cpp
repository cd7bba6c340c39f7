#include "comm/launcher.hpp"

#include <gtest/gtest.h>

#include <map>

namespace ringworld::test {
namespace {

using Variables = std::map<std::string, std::string>;

std::optional<LauncherMismatch> look(int job_size, const Variables& variables) {
  return launcher_mismatch(job_size, "Open MPI v4", [&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

TEST(Launcher, OfAnotherMpiIsFoundByWhatItExports) {
  const std::vector<Variables> launchers{
      {{"PMI_SIZE", "2"}, {"PMI_RANK", "0"}},
      {{"MPI_LOCALNRANKS", "4"}, {"MPI_LOCALRANKID", "0"}},
      {{"OMPI_COMM_WORLD_SIZE", "2"}},
      {{"MV2_COMM_WORLD_SIZE", "3"}},
      {{"SLURM_STEP_NUM_TASKS", "8"}, {"SLURM_PROCID", "0"}},
      {{"PALS_LOCAL_SIZE", "2"}},
      {{"PALS_RANKID", "3"}},
      {{"PMIX_RANK", "1"}},
      {{"ALPS_APP_PE", "5"}},
  };
  for (const Variables& variables : launchers) {
    const auto mismatch = look(1, variables);
    ASSERT_TRUE(mismatch.has_value()) << variables.begin()->first;
    EXPECT_NE(mismatch->message.find(variables.begin()->first.substr(0, 4)), std::string::npos);
    EXPECT_NE(mismatch->message.find("Open MPI v4"), std::string::npos);
    EXPECT_TRUE(mismatch->speaks);
  }
}

TEST(Launcher, IsNamedByItsFirstProcessOnly) {
  EXPECT_FALSE(look(1, {{"PMI_SIZE", "2"}, {"PMI_RANK", "1"}})->speaks);
  EXPECT_TRUE(look(1, {{"PMI_SIZE", "2"}, {"PMI_RANK", "0"}})->speaks);
}

TEST(Launcher, AProgramStartedByItselfInsideAnAllocationIsOneRank) {
  EXPECT_FALSE(look(1, {}).has_value());
  EXPECT_FALSE(look(1, {{"SLURM_NTASKS", "8"}, {"SLURM_NPROCS", "8"}, {"SLURM_PROCID", "0"}}).has_value());
  EXPECT_FALSE(look(1, {{"SLURM_STEP_NUM_TASKS", "1"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}}).has_value());
}

TEST(Launcher, OpenMpisOwnWordOutweighsThatOfWhatStartedItsDaemons) {
  EXPECT_FALSE(look(1, {{"OMPI_COMM_WORLD_SIZE", "1"}, {"SLURM_STEP_NUM_TASKS", "2"}, {"SLURM_PROCID", "1"}}));
}

TEST(Launcher, AJobOfSeveralRanksIsNotInDoubt) {
  EXPECT_FALSE(look(2, {{"PMI_SIZE", "4"}, {"PMI_RANK", "0"}}).has_value());
}

TEST(Launcher, WhatIsNoNumberSaysNothing) { EXPECT_FALSE(look(1, {{"PMI_SIZE", "many"}}).has_value()); }

}  // namespace
}  // namespace ringworld::test
