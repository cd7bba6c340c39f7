#include "comm/collectives.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

TEST(Collectives, AllGatherBringsEveryShardInRankOrder) {
  const Communicator world = Communicator::world();
  const auto ranks = static_cast<std::size_t>(world.size());
  for (const std::size_t shard : {std::size_t{0}, std::size_t{1}, std::size_t{1000}}) {
    const std::vector<float> mine(shard, static_cast<float>(world.rank() + 1));
    std::vector<float> all(shard * ranks);
    PendingCollective pending = start_all_gather(world, mine, all);
    pending.wait();
    EXPECT_TRUE(pending.test());
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::size_t rank = i / shard;
      ASSERT_EQ(all[i], static_cast<float>(rank + 1));
    }
  }
}

TEST(Collectives, ReduceScatterLeavesEachRankItsPartOfTheSum) {
  const Communicator world = Communicator::world();
  const int ranks = world.size();
  std::vector<float> all(static_cast<std::size_t>(5 * ranks));
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i] = static_cast<float>((world.rank() + 1) * static_cast<int>(i));
  }
  std::vector<float> mine(5);
  PendingCollective pending = start_reduce_scatter(world, all, mine);
  while (!pending.test()) {
  }
  const int sum_of_ranks = ranks * (ranks + 1) / 2;
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(mine[static_cast<std::size_t>(i)], static_cast<float>(sum_of_ranks * (5 * world.rank() + i)));
  }
}

TEST(Collectives, AllReduceTakesFloats) {
  const Communicator world = Communicator::world();
  std::vector<float> values{static_cast<float>(world.rank()), 1.0F};
  all_reduce(world, values, Reduction::sum);
  EXPECT_EQ(values[1], static_cast<float>(world.size()));
  values[0] = static_cast<float>(world.rank());
  all_reduce(world, values, Reduction::max);
  EXPECT_EQ(values[0], static_cast<float>(world.size() - 1));
}

TEST(Collectives, RefusesLengthsThatContradict) {
  const Communicator world = Communicator::world();
  const std::vector<float> mine(3);
  std::vector<float> all(static_cast<std::size_t>(3 * world.size() + 1));
  expect_error(ErrorKind::internal, [&] { static_cast<void>(start_all_gather(world, mine, all)); }, {"shards"});
}

TEST(Collectives, MovingOnePendingKeepsItAlive) {
  const Communicator world = Communicator::world();
  const std::vector<float> mine(3, 1.0F);
  std::vector<float> all(static_cast<std::size_t>(3 * world.size()));
  PendingCollective held;
  held = start_all_gather(world, mine, all);
  held = PendingCollective();  // waits
  EXPECT_EQ(all.back(), 1.0F);
}

}  // namespace
}  // namespace ringworld::test
