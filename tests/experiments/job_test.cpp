#include "experiments/common/job.hpp"

#include <gtest/gtest.h>

namespace ringworld::test {
namespace {

TEST(Job, FindsTheConfigurationAmongItsArguments) {
  EXPECT_EQ(config_path_of({"--output", "a", "--config", "b.toml"}), "b.toml");
  EXPECT_EQ(config_path_of({"--config=b.toml", "--threads", "2"}), "b.toml");
  EXPECT_EQ(config_path_of({"--configuration", "c"}), std::nullopt);
  EXPECT_EQ(config_path_of({"--config"}), std::nullopt);
  EXPECT_EQ(config_path_of({}), std::nullopt);
}

}  // namespace
}  // namespace ringworld::test
