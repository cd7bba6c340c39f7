/// @file  Collectives of device memory, by every transport: work in the order of the compute stream.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "comm/collectives.hpp"
#include "support/device_block.hpp"
#include "support/exchange_blocks.hpp"
#include "support/transports.hpp"

namespace ringworld::test {
namespace {

using Floats = DeviceBlock<float>;

/// Whole numbers, so that sums are exact in any order.
float value_of(int rank, std::size_t index) {
  return static_cast<float>((rank + 1) * static_cast<int>(index % 1000) - 3 * rank);
}

std::vector<float> values_of(int rank, std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t index = 0; index < count; ++index) {
    values[index] = value_of(rank, index);
  }
  return values;
}

/// The element-wise sum over ranks of `values_of`.
std::vector<float> sums(int ranks, std::size_t count) {
  std::vector<float> sum(count, 0.0F);
  for (int rank = 0; rank < ranks; ++rank) {
    for (std::size_t index = 0; index < count; ++index) {
      sum[index] += value_of(rank, index);
    }
  }
  return sum;
}

class DeviceCollectives : public ::testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    const Communicator world = Communicator::world();
    if (const std::string reason = why_unavailable(world, GetParam()); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
    world_.emplace(travelling(world, GetParam()));
  }

  [[nodiscard]] static DeviceKind memory() { return GetParam().memory; }
  [[nodiscard]] const Communicator& world() const { return *world_; }
  [[nodiscard]] std::size_t ranks() const { return static_cast<std::size_t>(world().size()); }

 private:
  std::optional<Communicator> world_;
};

TEST_P(DeviceCollectives, AllGatherBringsEveryShardInRankOrder) {
  for (const std::size_t shard : {std::size_t{0}, std::size_t{1}, std::size_t{1000}}) {
    const Floats mine(values_of(world().rank(), shard), memory());
    const Floats all(shard * ranks(), memory());
    PendingCollective pending = start_all_gather(world(), mine.span(), all.span(), memory());
    pending.wait();
    EXPECT_TRUE(pending.test());
    const std::vector<float> gathered = all.download();
    for (std::size_t i = 0; i < gathered.size(); ++i) {
      ASSERT_EQ(gathered[i], value_of(static_cast<int>(i / shard), i % shard)) << "element " << i;
    }
  }
}

TEST_P(DeviceCollectives, ReduceScatterLeavesEachRankItsPartOfTheSum) {
  const std::size_t shard = 777;
  const Floats all(values_of(world().rank(), shard * ranks()), memory());
  const Floats mine(shard, memory());
  PendingCollective pending = start_reduce_scatter(world(), all.span(), mine.span(), memory());
  pending.wait();
  const std::vector<float> expected = sums(world().size(), shard * ranks());
  const auto begin = expected.begin() + static_cast<std::ptrdiff_t>(shard) * world().rank();
  EXPECT_EQ(mine.download(), std::vector<float>(begin, begin + shard));
}

/// Floats of a rank's block: more than a piece of staged memory on rank 0, none on rank 1.
std::size_t block_floats(std::size_t rank) { return rank == 0 ? 700'001 : rank == 1 ? 0 : 100 * rank + 1; }

TEST_P(DeviceCollectives, BlocksOfUnevenLengthsAreGatheredAndAddedUp) {
  const std::size_t distance = block_floats(0) + 3;
  const auto mine = static_cast<std::size_t>(world().rank());
  for (const bool is_gathering : {true, false}) {
    std::vector<float> before(distance * ranks(), -7.0F);
    RankBlocks blocks{.memory = nullptr, .distance = static_cast<std::int64_t>(distance * sizeof(float)), .bytes = {}};
    for (std::size_t rank = 0; rank < ranks(); ++rank) {
      blocks.bytes.push_back(static_cast<std::int64_t>(block_floats(rank) * sizeof(float)));
      for (std::size_t index = 0; index < block_floats(rank) && (rank == mine || !is_gathering); ++index) {
        before[rank * distance + index] = value_of(world().rank(), index);
      }
    }
    const Floats floats(before, memory());
    blocks.memory = reinterpret_cast<std::byte*>(floats.span().data());
    PendingCollective pending =
        is_gathering ? start_all_gather(world(), blocks, memory()) : start_reduce_scatter(world(), blocks, memory());
    pending.wait();
    const std::vector<float> after = floats.download();
    const std::vector<float> sum = sums(world().size(), block_floats(mine));
    for (std::size_t rank = 0; rank < ranks(); ++rank) {
      for (std::size_t index = 0; index < distance; ++index) {
        const float actual = after[rank * distance + index];
        if (index >= block_floats(rank)) {
          ASSERT_EQ(actual, -7.0F) << "behind the block of rank " << rank;
        } else if (is_gathering) {
          ASSERT_EQ(actual, value_of(static_cast<int>(rank), index)) << "block of rank " << rank;
        } else if (rank == mine) {
          ASSERT_EQ(actual, sum[index]) << "element " << index;
        }
      }
    }
  }
}

/// Units of an all-to-all: short blocks, and blocks of several pieces of staged memory.
constexpr std::array<std::int64_t, 2> exchange_units{5, 1'500'001};

TEST_P(DeviceCollectives, AllToAllBringsEveryBlockToItsRank) {
  for (const std::int64_t unit : exchange_units) {
    const ExchangeBlocks blocks(world().rank(), world().size(), unit);
    const DeviceBlock<std::byte> sent(blocks.sent(), memory());
    const DeviceBlock<std::byte> received(blocks.untouched(), memory());
    start_all_to_all(world(), blocks.sent_view(sent.span()), blocks.received_view(received.span()), memory()).wait();
    EXPECT_TRUE(received.download() == blocks.received()) << "lengths in units of " << unit << " bytes";
  }
}

TEST_P(DeviceCollectives, BroadcastGivesAllTheRootsBlock) {
  for (const std::size_t length : {std::size_t{0}, std::size_t{3}, std::size_t{9'000'001}}) {
    for (const int root : {0, world().size() - 1}) {
      const DeviceBlock<std::byte> block(bytes_of(world().rank(), 3, length), memory());
      start_broadcast(world(), block.span(), root, memory()).wait();
      EXPECT_TRUE(block.download() == bytes_of(root, 3, length)) << length << " bytes of rank " << root;
    }
  }
}

TEST_P(DeviceCollectives, ReduceLeavesTheResultAtTheRoot) {
  for (const std::size_t count : {std::size_t{0}, std::size_t{3}, std::size_t{1'200'001}}) {
    const int root = world().size() - 1;
    const Floats values(values_of(world().rank(), count), memory());
    start_reduce(world(), values.span(), root, Reduction::sum, memory()).wait();
    if (world().rank() == root) {
      EXPECT_TRUE(values.download() == sums(world().size(), count)) << count << " floats";
    }
  }
}

TEST_P(DeviceCollectives, ExchangesWaitForComputeAndComputeForThem) {
  constexpr std::size_t bytes = 100'000;
  DeviceBlock<std::byte> block(bytes, memory());
  const ExchangeBlocks blocks(world().rank(), world().size());
  DeviceBlock<std::byte> sent(blocks.untouched(), memory());
  DeviceBlock<std::byte> received(blocks.untouched(), memory());
  // Filled on the compute stream before the start, overwritten there behind the wait.
  block.upload(bytes_of(world().rank(), 4, bytes));
  sent.upload(blocks.sent());
  PendingCollective broadcast = start_broadcast(world(), block.span(), 0, memory());
  PendingCollective exchange =
      start_all_to_all(world(), blocks.sent_view(sent.span()), blocks.received_view(received.span()), memory());
  broadcast.wait();
  DeviceBlock<std::byte> computed(bytes, memory());
  computed.copy(block.span());
  block.upload(bytes_of(7, 7, bytes));
  exchange.wait();
  sent.upload(blocks.untouched());
  EXPECT_EQ(computed.download(), bytes_of(0, 4, bytes));
  EXPECT_EQ(received.download(), blocks.received());
}

TEST_P(DeviceCollectives, OrderIsTheSameOnAllRanksWhateverTheyLookAtFirst) {
  const std::size_t count = 5000;
  const ExchangeBlocks blocks(world().rank(), world().size());
  const DeviceBlock<std::byte> sent(blocks.sent(), memory());
  const DeviceBlock<std::byte> received(blocks.untouched(), memory());
  const DeviceBlock<std::byte> block(bytes_of(world().rank(), 1, count), memory());
  const Floats reduced(values_of(world().rank(), count), memory());
  const Floats added(values_of(world().rank(), count), memory());
  std::array<PendingCollective, 4> pending{
      start_all_to_all(world(), blocks.sent_view(sent.span()), blocks.received_view(received.span()), memory()),
      start_reduce(world(), reduced.span(), 0, Reduction::sum, memory()),
      start_broadcast(world(), block.span(), world().size() - 1, memory()),
      start_all_reduce(world(), added.span(), Reduction::sum, memory())};
  // A call of the host's on the same communicator meets none of them.
  EXPECT_EQ(world().all_reduce(std::int64_t{1}, Reduction::sum), world().size());
  if (world().rank() % 2 == 0) {
    std::ranges::reverse(pending);
  }
  for (PendingCollective& collective : pending) {
    while (!collective.test()) {
    }
  }
  EXPECT_EQ(received.download(), blocks.received());
  EXPECT_EQ(block.download(), bytes_of(world().size() - 1, 1, count));
  EXPECT_EQ(added.download(), sums(world().size(), count));
  if (world().is_root()) {
    EXPECT_EQ(reduced.download(), sums(world().size(), count));
  }
}

TEST_P(DeviceCollectives, AllReduceAddsAndFindsExtremes) {
  const std::size_t count = 501;
  const Floats added(values_of(world().rank(), count), memory());
  const Floats largest(values_of(world().rank(), count), memory());
  all_reduce(world(), added.span(), Reduction::sum, memory());
  all_reduce(world(), largest.span(), Reduction::max, memory());
  EXPECT_EQ(added.download(), sums(world().size(), count));
  const std::vector<float> maxima = largest.download();
  for (std::size_t index = 0; index < count; ++index) {
    ASSERT_EQ(maxima[index], std::max(value_of(0, index), value_of(world().size() - 1, index)));
  }
}

TEST_P(DeviceCollectives, LongVectorsTravelInPieces) {
  const std::size_t shard = 1'200'001 / ranks();  // a piece and a bit
  const Floats mine(values_of(world().rank(), shard), memory());
  const Floats all(shard * ranks(), memory());
  start_all_gather(world(), mine.span(), all.span(), memory()).wait();
  const Floats sum(shard, memory());
  start_reduce_scatter(world(), all.span(), sum.span(), memory()).wait();
  // Every rank holds the same vector by now: the sum is a multiple of it.
  std::vector<float> expected = values_of(world().rank(), shard);
  for (float& value : expected) {
    value *= static_cast<float>(world().size());
  }
  EXPECT_TRUE(sum.download() == expected);
}

TEST_P(DeviceCollectives, SeveralMayBeUnderWayAndEndInAnyOrder) {
  const std::size_t shard = 100;
  const Floats mine(values_of(world().rank(), shard), memory());
  const Floats first(shard * ranks(), memory());
  const Floats second(shard * ranks(), memory());
  const Floats whole(values_of(world().rank(), shard * ranks()), memory());
  const Floats part(shard, memory());
  PendingCollective gather_first = start_all_gather(world(), mine.span(), first.span(), memory());
  PendingCollective reduce = start_reduce_scatter(world(), whole.span(), part.span(), memory());
  PendingCollective gather_second = start_all_gather(world(), mine.span(), second.span(), memory());
  // Ranks look at them in different orders.
  if (world().rank() % 2 == 0) {
    static_cast<void>(gather_second.test());
  }
  static_cast<void>(reduce.test());
  gather_second.wait();
  gather_first.wait();
  reduce.wait();
  EXPECT_EQ(first.download(), second.download());
  const std::vector<float> expected = sums(world().size(), shard * ranks());
  const auto begin = expected.begin() + static_cast<std::ptrdiff_t>(shard) * world().rank();
  EXPECT_EQ(part.download(), std::vector<float>(begin, begin + shard));
}

TEST_P(DeviceCollectives, OneThatNobodyWaitsForEndsWithItsObject) {
  const std::size_t shard = 50;
  const Floats mine(values_of(world().rank(), shard), memory());
  const Floats all(shard * ranks(), memory());
  {
    const PendingCollective pending = start_all_gather(world(), mine.span(), all.span(), memory());
  }
  EXPECT_EQ(all.download()[0], value_of(0, 0));
}

INSTANTIATE_TEST_SUITE_P(Ways, DeviceCollectives, ::testing::ValuesIn(device_ways), way_name);

}  // namespace
}  // namespace ringworld::test
