#include "comm/ring.hpp"

#include <gtest/gtest.h>

namespace ringworld::test {
namespace {

TEST(Ring, NeighboursCloseTheCircle) {
  const Communicator world = Communicator::world();
  const Ring ring(world);
  EXPECT_EQ(ring.size(), world.size());
  EXPECT_EQ(ring.rank(), world.rank());
  const auto next = world.all_gather(ring.next());
  const auto previous = world.all_gather(ring.previous());
  for (int rank = 0; rank < ring.size(); ++rank) {
    const auto index = static_cast<std::size_t>(rank);
    EXPECT_EQ(next[index], rank == ring.size() - 1 ? 0 : rank + 1);
    EXPECT_EQ(previous[static_cast<std::size_t>(next[index])], rank);
  }
}

TEST(Ring, OriginsComeFromThePreviousRankFirst) {
  const Ring ring(Communicator::world());
  EXPECT_EQ(ring.origin_after(0), ring.rank());
  EXPECT_EQ(ring.origin_after(1), ring.previous());
  EXPECT_EQ(ring.origin_after(ring.size() - 1), ring.next());
  EXPECT_EQ(ring.origin_after(ring.size()), ring.rank());
  EXPECT_EQ(ring.origin_after(5 * ring.size() + 1), ring.previous());
}

TEST(Ring, OriginsVisitEveryRankOnce) {
  const Ring ring(Communicator::world());
  std::vector<int> visits(static_cast<std::size_t>(ring.size()), 0);
  for (int hops = 0; hops < ring.size(); ++hops) {
    ++visits.at(static_cast<std::size_t>(ring.origin_after(hops)));
  }
  EXPECT_EQ(visits, std::vector<int>(static_cast<std::size_t>(ring.size()), 1));
}

}  // namespace
}  // namespace ringworld::test
