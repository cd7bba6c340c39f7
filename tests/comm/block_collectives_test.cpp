/// @file  Collectives of blocks and vectors of any length in host memory: contents, order, lengths and errors.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "comm/collectives.hpp"
#include "support/exchange_blocks.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

using Bytes = std::vector<std::byte>;

/// Of a message: as usual, and so short that most blocks travel as several messages.
constexpr std::array<std::int64_t, 2> limits{default_message_limit, 12};

std::vector<float> values_of(int rank, std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t index = 0; index < count; ++index) {
    values[index] = static_cast<float>((rank + 1) * static_cast<int>(index % 100) - 3 * rank);
  }
  return values;
}

/// The sum of `values_of` over all ranks: whole numbers, exact in any order.
std::vector<float> sums(int ranks, std::size_t count) {
  std::vector<float> sum(count, 0.0F);
  for (int rank = 0; rank < ranks; ++rank) {
    std::ranges::transform(sum, values_of(rank, count), sum.begin(), std::plus<>());
  }
  return sum;
}

TEST(BlockCollectives, AllToAllBringsEveryBlockToItsRank) {
  const Communicator world = Communicator::world();
  for (const std::int64_t limit : limits) {
    const ExchangeBlocks blocks(world.rank(), world.size());
    Bytes sent = blocks.sent();
    Bytes received = blocks.untouched();
    PendingCollective pending =
        start_all_to_all(world, blocks.sent_view(sent), blocks.received_view(received), DeviceKind::host, limit);
    while (!pending.test()) {
    }
    EXPECT_EQ(received, blocks.received());
    EXPECT_EQ(sent, blocks.sent());
  }
}

TEST(BlockCollectives, OneRankMaySendToAllOthersAlone) {
  const Communicator world = Communicator::world();
  const auto ranks = static_cast<std::size_t>(world.size());
  constexpr std::int64_t bytes = 100'000;
  Bytes sent(ranks * bytes, std::byte{5});
  Bytes received(ranks * bytes, std::byte{0});
  RankBlocks to{.memory = sent.data(), .distance = bytes, .bytes = std::vector<std::int64_t>(ranks, 0)};
  RankBlocks from{.memory = received.data(), .distance = bytes, .bytes = std::vector<std::int64_t>(ranks, 0)};
  if (world.is_root()) {
    std::ranges::fill(to.bytes, bytes);
  }
  from.bytes[0] = bytes;
  start_all_to_all(world, to, from).wait();
  EXPECT_EQ(std::ranges::count(received, std::byte{5}), bytes);
  EXPECT_EQ(received[bytes - 1], std::byte{5});
}

TEST(BlockCollectives, BroadcastGivesAllTheRootsBlock) {
  const Communicator world = Communicator::world();
  for (const std::int64_t limit : limits) {
    for (const std::size_t length : {std::size_t{0}, std::size_t{1}, std::size_t{12}, std::size_t{1001}}) {
      for (int root = 0; root < world.size(); ++root) {
        Bytes block = bytes_of(world.rank(), 3, length);
        start_broadcast(world, block, root, DeviceKind::host, limit).wait();
        EXPECT_EQ(block, bytes_of(root, 3, length)) << length << " bytes of rank " << root;
      }
    }
  }
}

TEST(BlockCollectives, ReduceLeavesTheResultAtTheRoot) {
  const Communicator world = Communicator::world();
  for (const std::int64_t limit : limits) {
    for (const std::size_t length : {std::size_t{0}, std::size_t{1}, std::size_t{1001}}) {
      for (int root = 0; root < world.size(); ++root) {
        std::vector<float> added = values_of(world.rank(), length);
        std::vector<float> largest(length, static_cast<float>(world.rank()));
        start_reduce(world, added, root, Reduction::sum, DeviceKind::host, limit).wait();
        start_reduce(world, largest, root, Reduction::max, DeviceKind::host, limit).wait();
        if (world.rank() == root) {
          EXPECT_EQ(added, sums(world.size(), length));
          EXPECT_EQ(largest, std::vector<float>(length, static_cast<float>(world.size() - 1)));
        }
      }
    }
  }
}

TEST(BlockCollectives, AllReduceLeavesTheResultEverywhere) {
  const Communicator world = Communicator::world();
  for (const std::int64_t limit : limits) {
    std::vector<float> added = values_of(world.rank(), 1001);
    std::vector<float> least(5, static_cast<float>(world.rank() - 7));
    start_all_reduce(world, added, Reduction::sum, DeviceKind::host, limit).wait();
    start_all_reduce(world, least, Reduction::min, DeviceKind::host, limit).wait();
    EXPECT_EQ(added, sums(world.size(), 1001));
    EXPECT_EQ(least, std::vector<float>(5, -7.0F));
  }
}

/// Gathers blocks of the given lengths in messages of a few bytes.
void expect_short_messages_to_be_enough(const Communicator& world, const std::vector<std::int64_t>& lengths,
                                        std::int64_t distance) {
  Bytes memory(static_cast<std::size_t>(world.size() * distance), std::byte{0xee});
  Bytes expected = memory;
  for (int rank = 0; rank < world.size(); ++rank) {
    const Bytes block = bytes_of(rank, 1, static_cast<std::size_t>(lengths[static_cast<std::size_t>(rank)]));
    std::ranges::copy(block, expected.begin() + rank * distance);
    if (rank == world.rank()) {
      std::ranges::copy(block, memory.begin() + rank * distance);
    }
  }
  const RankBlocks blocks{.memory = memory.data(), .distance = distance, .bytes = lengths};
  start_all_gather(world, blocks, DeviceKind::host, 12).wait();
  EXPECT_EQ(memory, expected);
}

TEST(BlockCollectives, GatheredBlocksTravelAsSeveralMessages) {
  const Communicator world = Communicator::world();
  const auto ranks = static_cast<std::size_t>(world.size());
  std::vector<std::int64_t> uneven;
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    uneven.push_back(rank == 1 ? 0 : 17 * static_cast<std::int64_t>(rank) + 3);
  }
  expect_short_messages_to_be_enough(world, uneven, uneven.back() + 60);
  // Equal ones without gaps, whose length is their unit but longer than a message.
  expect_short_messages_to_be_enough(world, std::vector<std::int64_t>(ranks, 1000), 1000);
  expect_short_messages_to_be_enough(world, std::vector<std::int64_t>(ranks, 0), 0);
}

TEST(BlockCollectives, AddedUpBlocksTravelAsSeveralMessages) {
  const Communicator world = Communicator::world();
  constexpr std::int64_t length = 50;
  std::vector<float> memory = values_of(world.rank(), static_cast<std::size_t>(world.size() * length));
  const std::vector<float> sum = sums(world.size(), memory.size());
  const RankBlocks blocks{.memory = std::as_writable_bytes(std::span(memory)).data(),
                          .distance = length * static_cast<std::int64_t>(sizeof(float)),
                          .bytes = std::vector<std::int64_t>(static_cast<std::size_t>(world.size()), 4 * length)};
  start_reduce_scatter(world, blocks, DeviceKind::host, 12).wait();
  for (std::int64_t index = world.rank() * length; index < (world.rank() + 1) * length; ++index) {
    EXPECT_EQ(memory[static_cast<std::size_t>(index)], sum[static_cast<std::size_t>(index)]) << "float " << index;
  }
}

TEST(BlockCollectives, SeveralMayBeUnderWayAndEndInAnyOrder) {
  const Communicator world = Communicator::world();
  constexpr std::size_t length = 30'000;
  const ExchangeBlocks first(world.rank(), world.size());
  const ExchangeBlocks second(world.rank(), world.size(), 9);
  Bytes first_sent = first.sent();
  Bytes second_sent = second.sent();
  Bytes first_received = first.untouched();
  Bytes second_received = second.untouched();
  Bytes block = bytes_of(world.rank(), 0, length);
  std::vector<float> reduced = values_of(world.rank(), length);
  std::vector<float> added = values_of(world.rank(), length);
  std::array<PendingCollective, 5> pending{
      start_all_to_all(world, first.sent_view(first_sent), first.received_view(first_received)),
      start_broadcast(world, block, world.size() - 1),
      start_all_to_all(world, second.sent_view(second_sent), second.received_view(second_received)),
      start_reduce(world, reduced, 0, Reduction::sum),
      start_all_reduce(world, added, Reduction::sum),
  };
  // A blocking call between them does not mix with them, and ranks look at them in different orders.
  EXPECT_EQ(world.all_reduce(std::int64_t{1}, Reduction::sum), world.size());
  if (world.rank() % 2 == 0) {
    std::ranges::reverse(pending);
  }
  for (PendingCollective& collective : pending) {
    collective.wait();
    EXPECT_TRUE(collective.test());
  }
  EXPECT_EQ(first_received, first.received());
  EXPECT_EQ(second_received, second.received());
  EXPECT_EQ(block, bytes_of(world.size() - 1, 0, length));
  EXPECT_EQ(added, sums(world.size(), length));
  if (world.is_root()) {
    EXPECT_EQ(reduced, added);
  }
}

TEST(BlockCollectives, AnAllToAllDoesNotMixWithMessagesOfItsCommunicator) {
  const Communicator world = Communicator::world();
  if (world.size() == 1) {
    GTEST_SKIP() << "needs two ranks";
  }
  const ExchangeBlocks blocks(world.rank(), world.size());
  Bytes sent = blocks.sent();
  Bytes received = blocks.untouched();
  const int next = (world.rank() + 1) % world.size();
  const int previous = (world.rank() + world.size() - 1) % world.size();
  const Bytes stray = bytes_of(world.rank(), 77, 8);
  Bytes stray_arrived(8);
  world.send(stray, next, 0);
  start_all_to_all(world, blocks.sent_view(sent), blocks.received_view(received)).wait();
  world.receive(stray_arrived, previous, 0);
  EXPECT_EQ(received, blocks.received());
  EXPECT_EQ(stray_arrived, bytes_of(previous, 77, 8));
}

TEST(BlockCollectives, OneThatNobodyWaitsForEndsWithItsObject) {
  const Communicator world = Communicator::world();
  Bytes block = bytes_of(world.rank(), 0, 1000);
  {
    const PendingCollective pending = start_broadcast(world, block, 0);
  }
  EXPECT_EQ(block, bytes_of(0, 0, 1000));
}

TEST(BlockCollectives, RefuseWhatCannotBe) {
  const Communicator world = Communicator::world();
  const ExchangeBlocks blocks(world.rank(), world.size());
  Bytes sent = blocks.sent();
  Bytes received = blocks.untouched();
  std::vector<float> values(3);
  RankBlocks other_length = blocks.received_view(received);
  ++other_length.bytes[static_cast<std::size_t>(world.rank())];
  expect_error(ErrorKind::internal,
               [&] { static_cast<void>(start_all_to_all(world, blocks.sent_view(sent), other_length)); },
               {"own block"});
  RankBlocks too_few = blocks.received_view(received);
  too_few.bytes.pop_back();
  expect_error(ErrorKind::internal,
               [&] { static_cast<void>(start_all_to_all(world, blocks.sent_view(sent), too_few)); }, {"every rank"});
  for (const int root : {-1, world.size()}) {
    expect_error(ErrorKind::internal, [&] { static_cast<void>(start_broadcast(world, sent, root)); }, {"no rank"});
    expect_error(ErrorKind::internal, [&] { static_cast<void>(start_reduce(world, values, root, Reduction::sum)); },
                 {"no rank"});
  }
  for (const std::int64_t limit : {std::int64_t{0}, default_message_limit + 1}) {
    expect_error(ErrorKind::internal,
                 [&] { static_cast<void>(start_all_reduce(world, values, Reduction::sum, DeviceKind::host, limit)); },
                 {"a message holds"});
  }
  expect_error(ErrorKind::internal,
               [&] {
                 static_cast<void>(start_all_to_all(world, blocks.sent_view(sent), blocks.received_view(received),
                                                    DeviceKind::pinned));
               },
               {"device memory"});
}

TEST(BlockCollectives, OfPretendedRanksEndAtOnce) {
  const Communicator job = Communicator::pretended(1, 64);
  std::vector<float> values(3, 2.0F);
  RankBlocks nothing_there{.memory = nullptr, .distance = 1000, .bytes = std::vector<std::int64_t>(64, 1000)};
  EXPECT_TRUE(start_all_to_all(job, nothing_there, nothing_there).test());
  EXPECT_TRUE(start_broadcast(job, std::as_writable_bytes(std::span(values)), 63).test());
  EXPECT_TRUE(start_reduce(job, values, 0, Reduction::sum).test());
  EXPECT_TRUE(start_all_reduce(job, values, Reduction::sum).test());
  EXPECT_EQ(values, std::vector<float>(3, 2.0F));
}

}  // namespace
}  // namespace ringworld::test
