/// @file  What ranks tell each other beside MPI.

#include "comm/heartbeat.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace ringworld::test {
namespace {

TEST(HeartbeatChannel, EveryRankReachesRankZeroAndHearsItsAnswer) {
  const Communicator world = Communicator::world();
  HeartbeatChannel channel(world);
  const int rank = world.rank();
  const std::string phase(300, 'p');
  if (rank > 0) {
    channel.send({.kind = HeartbeatKind::beat,
                  .rank = rank,
                  .activity = {.progress = std::uint64_t{1} << 40, .is_waiting = true, .phase = phase}});
    const auto answer = channel.receive(10);
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->kind, HeartbeatKind::verdict);
    EXPECT_EQ(answer->rank, 0);
    EXPECT_EQ(answer->activity.phase, "all ranks wait for each other");
  } else {
    std::set<int> heard;
    while (static_cast<int>(heard.size()) + 1 < world.size()) {
      const auto beat = channel.receive(10);
      ASSERT_TRUE(beat.has_value());
      EXPECT_EQ(beat->activity.progress, std::uint64_t{1} << 40);
      EXPECT_TRUE(beat->activity.is_waiting);
      EXPECT_EQ(beat->activity.phase, phase);
      heard.insert(beat->rank);
    }
    EXPECT_EQ(heard.count(0), 0U);
    channel.send({.kind = HeartbeatKind::verdict,
                  .rank = 0,
                  .activity = {.progress = 0, .is_waiting = false, .phase = "all ranks wait for each other"}});
  }
  world.barrier();
}

TEST(HeartbeatChannel, AWaitEndsWithItsTimeOrTheBell) {
  HeartbeatChannel channel(Communicator::world());
  EXPECT_FALSE(channel.receive(0.01).has_value());
  channel.wake();
  EXPECT_FALSE(channel.receive(1000).has_value());  // the test's own limit is shorter
}

TEST(Communicator, KnowsTheRanksOfItsRanksInTheJob) {
  const Communicator world = Communicator::world();
  const Communicator backwards = world.split(world.rank() % 2, -world.rank());
  for (int rank = 0; rank < backwards.size(); ++rank) {
    EXPECT_EQ(backwards.rank_in_job(rank), world.size() - 1 - (world.size() - 1 - world.rank()) % 2 - 2 * rank);
  }
}

}  // namespace
}  // namespace ringworld::test
