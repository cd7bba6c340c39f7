#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "experiments/common/busy_node.hpp"

namespace ringworld::test {
namespace {

TEST(BusyNodeWarning, OtherWorkThatNeedsTheSameCpusIsTold) {
  const Communicator world = Communicator::world();
  std::atomic<bool> is_over = false;
  std::vector<std::thread> others;
  if (world.is_root()) {
    for (unsigned int cpu = 0; cpu < std::thread::hardware_concurrency(); ++cpu) {
      others.emplace_back([&] {
        while (!is_over) {
        }
      });
    }
  }
  EXPECT_TRUE(warn_of_busy_nodes(world, 1)) << "on rank " << world.rank();
  is_over = true;
  for (std::thread& other : others) {
    other.join();
  }
}

TEST(BusyNodeWarning, AllRanksHearTheSame) {
  const Communicator world = Communicator::world();
  const bool warned = warn_of_busy_nodes(world, 0);
  EXPECT_EQ(world.all_reduce(std::int64_t{warned}, Reduction::max), std::int64_t{warned}) << "ranks differ";
}

}  // namespace
}  // namespace ringworld::test
