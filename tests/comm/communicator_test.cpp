#include "comm/communicator.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "core/clock.hpp"

namespace ringworld::test {
namespace {

TEST(Communicator, WorldCountsItsRanks) {
  const Communicator world = Communicator::world();
  EXPECT_FALSE(world.is_null());
  EXPECT_GE(world.rank(), 0);
  EXPECT_LT(world.rank(), world.size());
  EXPECT_EQ(world.is_root(), world.rank() == 0);
  EXPECT_EQ(world.all_reduce(std::int64_t{1}, Reduction::sum), world.size());
  EXPECT_TRUE(Communicator().is_null());
}

TEST(Communicator, AllGatherIsInRankOrder) {
  struct Pair {
    std::int32_t rank;
    double square;
  };
  const Communicator world = Communicator::world();
  const auto all = world.all_gather(Pair{world.rank(), 0.5 * world.rank() * world.rank()});
  ASSERT_EQ(static_cast<int>(all.size()), world.size());
  for (int rank = 0; rank < world.size(); ++rank) {
    EXPECT_EQ(all[static_cast<std::size_t>(rank)].rank, rank);
    EXPECT_EQ(all[static_cast<std::size_t>(rank)].square, 0.5 * rank * rank);
  }
}

TEST(Communicator, SplitGroupsByColorAndOrdersByKey) {
  const Communicator world = Communicator::world();
  const Communicator part = world.split(world.rank() % 2, -world.rank());
  const int members = (world.size() + 1 - world.rank() % 2) / 2;
  EXPECT_EQ(part.size(), members);
  EXPECT_EQ(part.rank(), members - 1 - world.rank() / 2) << "the keys reverse the order";
  for (const int member : part.all_gather(world.rank())) {
    EXPECT_EQ(member % 2, world.rank() % 2);
  }
}

TEST(Communicator, ANegativeColorGetsNoCommunicator) {
  const Communicator world = Communicator::world();
  const Communicator part = world.split(world.is_root() ? -1 : 3, world.rank());
  EXPECT_EQ(part.is_null(), world.is_root());
  if (!part.is_null()) {
    EXPECT_EQ(part.size(), world.size() - 1);
    EXPECT_EQ(part.rank(), world.rank() - 1);
  }
}

TEST(Communicator, CopiesAreTheSameCommunicator) {
  Communicator copy;
  {
    const Communicator original = Communicator::world().split(0, 0);
    copy = original;
  }
  EXPECT_EQ(copy.all_reduce(std::int64_t{1}, Reduction::sum), copy.size()) << "the last copy keeps it alive";
}

TEST(Communicator, ADuplicateHasTheSameRanks) {
  const Communicator world = Communicator::world();
  const Communicator duplicate = world.duplicate();
  EXPECT_EQ(duplicate.rank(), world.rank());
  EXPECT_EQ(duplicate.size(), world.size());
}

TEST(Communicator, ADuplicateHasMessagesOfItsOwn) {
  const Communicator world = Communicator::world();
  if (world.size() == 1) {
    GTEST_SKIP() << "needs two ranks";
  }
  const Communicator duplicate = world.duplicate();
  // Same tag, both short enough to be under way at once; received in the other order.
  int mine = 1;
  int other = 2;
  if (world.rank() == 0) {
    world.send(std::as_bytes(std::span(&mine, 1)), 1, 0);
    duplicate.send(std::as_bytes(std::span(&other, 1)), 1, 0);
  } else if (world.rank() == 1) {
    mine = 0;
    other = 0;
    duplicate.receive(std::as_writable_bytes(std::span(&other, 1)), 0, 0);
    world.receive(std::as_writable_bytes(std::span(&mine, 1)), 0, 0);
  }
  EXPECT_EQ(mine, 1);
  EXPECT_EQ(other, 2);
}

TEST(Communicator, NodesShareMemory) {
  const Communicator world = Communicator::world();
  const Communicator node = world.split_by_node();
  EXPECT_GE(node.size(), 1);
  EXPECT_LE(node.size(), world.size());
  EXPECT_EQ(world.all_reduce(std::int64_t{node.is_root()}, Reduction::sum) >= 1, true);
}

/// Every rank leaves after the last one came, by the clock that ranks of one node share.
template <class Barrier>
void expect_nobody_leaves_early(Barrier&& barrier) {
  const Communicator world = Communicator::world();
  if (world.split_by_node().size() != world.size()) {
    GTEST_SKIP() << "ranks of several nodes share no clock";
  }
  if (world.rank() == world.size() - 1) {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
  }
  const double entered = now_seconds();
  barrier(world);
  const double left = now_seconds();
  EXPECT_GE(left, world.all_reduce(entered, Reduction::max));
}

TEST(Communicator, NobodyLeavesABarrierBeforeAllCame) {
  expect_nobody_leaves_early([](const Communicator& world) { world.barrier(); });
}

TEST(Communicator, NobodyLeavesASleepingBarrierBeforeAllCame) {
  expect_nobody_leaves_early([](const Communicator& world) { world.barrier_asleep(); });
}

TEST(Communicator, AllReduceSumsAndFindsExtremes) {
  const Communicator world = Communicator::world();
  const int ranks = world.size();
  EXPECT_EQ(world.all_reduce(world.rank() + 0.5, Reduction::sum), 0.5 * ranks * ranks);
  EXPECT_EQ(world.all_reduce(world.rank() + 0.5, Reduction::min), 0.5);
  EXPECT_EQ(world.all_reduce(world.rank() + 0.5, Reduction::max), ranks - 0.5);
  constexpr std::int64_t large = std::int64_t{1} << 40;
  EXPECT_EQ(world.all_reduce(large + world.rank(), Reduction::max), large + ranks - 1);
  EXPECT_EQ(world.all_reduce(-large - world.rank(), Reduction::min), -large - ranks + 1);
  std::vector<std::int64_t> several{1, world.rank(), -world.rank()};
  world.all_reduce(several, Reduction::sum);
  EXPECT_EQ(several, (std::vector<std::int64_t>{ranks, ranks * (ranks - 1) / 2, -ranks * (ranks - 1) / 2}));
  world.all_reduce(std::span<double>{}, Reduction::sum);
}

TEST(Communicator, AllAgreeOnlyWhenEveryRankDoes) {
  const Communicator world = Communicator::world();
  EXPECT_TRUE(world.all_agree(true));
  EXPECT_FALSE(world.all_agree(false));
  EXPECT_FALSE(world.all_agree(world.rank() != world.size() - 1));
}

TEST(Communicator, BroadcastsBytesFromAnyRoot) {
  const Communicator world = Communicator::world();
  for (int root = 0; root < world.size(); ++root) {
    std::array<int, 3> values{world.rank(), world.rank() + 1, world.rank() + 2};
    world.broadcast(std::as_writable_bytes(std::span(values)), root);
    EXPECT_EQ(values, (std::array{root, root + 1, root + 2}));
  }
  world.broadcast(std::span<std::byte>{}, 0);
}

TEST(Communicator, BroadcastsTextOfAnyLength) {
  const Communicator world = Communicator::world();
  const int root = world.size() - 1;
  const std::string text_with_zero{'a', '\0', 'b'};
  for (const std::string& text : {std::string(), std::string("ring"), text_with_zero, std::string(3'000'000, 'r')}) {
    // The other ranks hold something of another length.
    EXPECT_EQ(world.broadcast(world.rank() == root ? text : std::string(1000, 'x'), root), text);
  }
}

TEST(Communicator, SendsRoundTheRanks) {
  const Communicator world = Communicator::world();
  // Longer than what MPI buffers, so that the order of the calls matters; a token that every rank counts up.
  std::vector<std::int64_t> token(100'000, 0);
  const int last = world.size() - 1;
  if (world.rank() > 0) {
    world.receive(std::as_writable_bytes(std::span(token)), world.rank() - 1, 7);
  }
  EXPECT_EQ(token.front(), world.rank());
  EXPECT_EQ(token.back(), world.rank());
  for (std::int64_t& element : token) {
    ++element;
  }
  if (world.rank() < last) {
    world.send(std::as_bytes(std::span(token)), world.rank() + 1, 7);
  }
}

TEST(Communicator, TagsKeepMessagesApart) {
  const Communicator world = Communicator::world();
  if (world.size() == 1) {
    GTEST_SKIP() << "needs two ranks";
  }
  int first = 0;
  int second = 0;
  if (world.rank() == 0) {
    const int one = 1;
    const int two = 2;
    world.send(std::as_bytes(std::span(&one, 1)), 1, 1);
    world.send(std::as_bytes(std::span(&two, 1)), 1, 2);
  } else if (world.rank() == 1) {
    world.receive(std::as_writable_bytes(std::span(&second, 1)), 0, 2);
    world.receive(std::as_writable_bytes(std::span(&first, 1)), 0, 1);
    EXPECT_EQ(first, 1);
    EXPECT_EQ(second, 2);
  }
}

}  // namespace
}  // namespace ringworld::test
