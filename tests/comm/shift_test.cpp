/// @file  One hop of the ring: what arrives, from whom, and what is counted.

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "comm/ring.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

using Bytes = std::vector<std::byte>;

/// A block that only this rank sends: its bytes depend on rank and position. `bytes` may depend on the rank, too.
Bytes block_of(int rank, std::size_t bytes) {
  Bytes block(bytes);
  for (std::size_t index = 0; index < bytes; ++index) {
    block[index] = static_cast<std::byte>(17 * (rank + 1) + static_cast<int>(index % 251));
  }
  return block;
}

std::size_t uneven_bytes(int rank) { return static_cast<std::size_t>(11 * (rank + 1)); }

TEST(Shift, AHopBringsThePreviousRanksBlock) {
  const Ring ring(Communicator::world());
  Shift shift(ring.communicator());
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{1000}, std::size_t{1'000'000}}) {
    const Bytes mine = block_of(ring.rank(), bytes);
    Bytes arrived(bytes);
    shift.start(ring.neighbours(), mine, arrived);
    shift.wait();
    EXPECT_EQ(arrived, block_of(ring.previous(), bytes));
  }
}

TEST(Shift, HopsCarryBlocksOfAnyLengthRoundTheRing) {
  const Ring ring(Communicator::world());
  Shift shift(ring.communicator());
  Bytes held = block_of(ring.rank(), uneven_bytes(ring.rank()));
  for (int hops = 1; hops <= ring.size(); ++hops) {
    const int origin = ring.origin_after(hops);
    Bytes incoming(uneven_bytes(origin));
    shift.start(ring.neighbours(), held, incoming);
    shift.wait();
    held = incoming;
    EXPECT_EQ(held, block_of(origin, uneven_bytes(origin))) << "after " << hops << " hops";
  }
  EXPECT_EQ(shift.traffic().hops, ring.size());
}

TEST(Shift, TrafficCountsWhatThisRankSent) {
  const Ring ring(Communicator::world());
  Shift shift(ring.communicator());
  EXPECT_EQ(shift.traffic().hops, 0);
  const Bytes mine = block_of(ring.rank(), 100 + static_cast<std::size_t>(ring.rank()));
  Bytes arrived(100 + static_cast<std::size_t>(ring.previous()));
  for (int hop = 0; hop < 3; ++hop) {
    shift.start(ring.neighbours(), mine, arrived);
    shift.wait();
  }
  EXPECT_EQ(shift.traffic().hops, 3);
  EXPECT_EQ(shift.traffic().messages, 3);
  EXPECT_EQ(shift.traffic().bytes, 3 * (100 + ring.rank()));
  shift.reset_traffic();
  EXPECT_EQ(shift.traffic().hops, 0);
  EXPECT_EQ(shift.traffic().messages, 0);
  EXPECT_EQ(shift.traffic().bytes, 0);
}

TEST(Shift, LongBlocksTravelAsSeveralMessages) {
  const Ring ring(Communicator::world());
  constexpr std::int64_t limit = 7;
  Shift shift(ring.communicator(), {.message_limit = limit});
  for (const std::int64_t bytes : {1, 6, 7, 8, 14, 1000}) {
    shift.reset_traffic();
    const Bytes mine = block_of(ring.rank(), static_cast<std::size_t>(bytes));
    Bytes arrived(mine.size());
    shift.start(ring.neighbours(), mine, arrived);
    shift.wait();
    EXPECT_EQ(arrived, block_of(ring.previous(), mine.size()));
    EXPECT_EQ(shift.traffic().messages, (bytes + limit - 1) / limit);
    EXPECT_EQ(shift.traffic().bytes, bytes);
    EXPECT_EQ(shift.traffic().hops, 1);
  }
}

TEST(Shift, EmptyBlocksAreHopsWithoutMessages) {
  const Ring ring(Communicator::world());
  Shift shift(ring.communicator());
  shift.start(ring.neighbours(), {}, {});
  EXPECT_TRUE(shift.test());
  shift.wait();
  EXPECT_EQ(shift.traffic().hops, 1);
  EXPECT_EQ(shift.traffic().messages, 0);
}

TEST(Shift, SomeBlocksMayBeEmpty) {
  const Ring ring(Communicator::world());
  Shift shift(ring.communicator());
  const auto bytes_of = [](int rank) { return rank % 2 == 0 ? std::size_t{0} : std::size_t{50}; };
  Bytes held = block_of(ring.rank(), bytes_of(ring.rank()));
  for (int hops = 1; hops <= ring.size(); ++hops) {
    Bytes incoming(bytes_of(ring.origin_after(hops)));
    shift.start(ring.neighbours(), held, incoming);
    shift.wait();
    held = incoming;
    EXPECT_EQ(held, block_of(ring.origin_after(hops), held.size()));
  }
}

TEST(Shift, TwoShiftsOfARingDoNotMix) {
  const Ring ring(Communicator::world());
  Shift keys(ring.communicator());
  Shift gradients(ring.communicator());
  // Neighbours start the two in opposite orders, with blocks of one length.
  const Bytes key_block = block_of(ring.rank(), 5000);
  const Bytes gradient_block = block_of(ring.rank() + 100, 5000);
  Bytes key_arrived(5000);
  Bytes gradient_arrived(5000);
  if (ring.rank() % 2 == 0) {
    keys.start(ring.neighbours(), key_block, key_arrived);
    gradients.start(ring.neighbours(), gradient_block, gradient_arrived);
  } else {
    gradients.start(ring.neighbours(), gradient_block, gradient_arrived);
    keys.start(ring.neighbours(), key_block, key_arrived);
  }
  gradients.wait();
  keys.wait();
  EXPECT_EQ(key_arrived, block_of(ring.previous(), 5000));
  EXPECT_EQ(gradient_arrived, block_of(ring.previous() + 100, 5000));
}

TEST(Shift, DoesNotMixWithMessagesOfItsCommunicator) {
  const Communicator world = Communicator::world();
  if (world.size() == 1) {
    GTEST_SKIP() << "needs two ranks";
  }
  const Ring ring(world);
  Shift shift(ring.communicator());
  // A message of the same length and tag, sent before the hop and received after it.
  const Bytes mine = block_of(ring.rank(), 64);
  const Bytes stray = block_of(ring.rank() + 50, 64);
  Bytes arrived(64);
  Bytes stray_arrived(64);
  world.send(stray, ring.next(), 0);
  shift.start(ring.neighbours(), mine, arrived);
  shift.wait();
  world.receive(stray_arrived, ring.previous(), 0);
  EXPECT_EQ(arrived, block_of(ring.previous(), 64));
  EXPECT_EQ(stray_arrived, block_of(ring.previous() + 50, 64));
}

TEST(Shift, TestingAloneCompletesAHop) {
  const Ring ring(Communicator::world());
  Shift shift(ring.communicator());
  EXPECT_TRUE(shift.test()) << "no hop is under way";
  constexpr std::size_t bytes = 3'000'000;
  const Bytes mine = block_of(ring.rank(), bytes);
  Bytes arrived(bytes);
  shift.start(ring.neighbours(), mine, arrived);
  while (!shift.test()) {
    std::this_thread::yield();
  }
  EXPECT_TRUE(shift.test());
  EXPECT_EQ(arrived, block_of(ring.previous(), bytes));
  shift.start(ring.neighbours(), mine, arrived);
  shift.wait();
}

TEST(Shift, AHopMustEndBeforeTheNext) {
  const Ring ring(Communicator::world());
  Shift shift(ring.communicator());
  const Bytes mine = block_of(ring.rank(), 2'000'000);
  Bytes arrived(mine.size());
  Bytes other(mine.size());
  shift.start(ring.neighbours(), mine, arrived);
  expect_error(ErrorKind::internal, [&] { shift.start(ring.neighbours(), mine, other); }, {"not ended"});
  shift.wait();
  EXPECT_EQ(arrived, block_of(ring.previous(), mine.size()));
  EXPECT_EQ(shift.traffic().hops, 1);
}

TEST(Shift, MessagesHoldAtLeastAByteAndAtMostAGibibyte) {
  const Ring ring(Communicator::world());
  for (const std::int64_t limit : {std::int64_t{0}, std::int64_t{-1}, default_message_limit + 1}) {
    expect_error(ErrorKind::internal, [&] { const Shift shift(ring.communicator(), {.message_limit = limit}); });
  }
}

TEST(Shift, PeersMayChangeFromHopToHop) {
  const Communicator world = Communicator::world();
  const int ranks = world.size();
  Shift shift(world);
  // Each block goes straight to the rank `distance` away, whose length it has.
  for (int distance = 0; distance < ranks; ++distance) {
    const Peers peers{.to = (world.rank() + distance) % ranks, .from = (world.rank() + ranks - distance) % ranks};
    const Bytes sent = block_of(world.rank(), uneven_bytes(peers.to));
    Bytes received(uneven_bytes(world.rank()));
    shift.start(peers, sent, received);
    shift.wait();
    EXPECT_EQ(received, block_of(peers.from, received.size())) << "from " << distance << " ranks away";
  }
  EXPECT_EQ(shift.traffic().hops, ranks);
}

TEST(Shift, ALineHasEndsWithoutAPeer) {
  const Communicator world = Communicator::world();
  Shift shift(world);
  const Peers peers{.to = world.rank() + 1 < world.size() ? world.rank() + 1 : -1, .from = world.rank() - 1};
  const Bytes sent = block_of(world.rank(), peers.to >= 0 ? 500 : 0);
  Bytes received(peers.from >= 0 ? 500 : 0);
  shift.start(peers, sent, received);
  shift.wait();
  EXPECT_EQ(received, block_of(peers.from, received.size()));
  EXPECT_EQ(shift.traffic().bytes, std::ssize(sent));
}

TEST(Shift, RefusesPeersThatAreNoRanksAndBlocksForNobody) {
  const Communicator world = Communicator::world();
  Shift shift(world);
  Bytes block(8);
  expect_error(ErrorKind::internal, [&] { shift.start({.to = world.size()}, block, {}); }, {"no rank"});
  expect_error(ErrorKind::internal, [&] { shift.start({.from = -2}, {}, block); }, {"no rank"});
  expect_error(ErrorKind::internal, [&] { shift.start({}, block, {}); }, {"nobody"});
  expect_error(ErrorKind::internal, [&] { shift.start({}, {}, block); }, {"nobody"});
  EXPECT_EQ(shift.traffic().hops, 0);
}

TEST(Shift, MovesWithItsState) {
  const Ring ring(Communicator::world());
  Shift first(ring.communicator());
  const Bytes mine = block_of(ring.rank(), 1'000'000);
  Bytes arrived(mine.size());
  first.start(ring.neighbours(), mine, arrived);
  Shift second(std::move(first));
  second.wait();
  EXPECT_EQ(arrived, block_of(ring.previous(), mine.size()));
  EXPECT_EQ(second.traffic().hops, 1);
}

TEST(Shift, RingsOfSplitCommunicatorsAreApart) {
  const Communicator world = Communicator::world();
  const int color = world.rank() % 2;
  const Ring ring(world.split(color, world.rank()));
  Shift shift(ring.communicator());
  const Bytes mine = block_of(world.rank(), 300);
  Bytes arrived(300);
  shift.start(ring.neighbours(), mine, arrived);
  shift.wait();
  EXPECT_EQ(arrived, block_of(2 * ring.previous() + color, 300));
}

}  // namespace
}  // namespace ringworld::test
