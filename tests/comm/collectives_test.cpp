#include "comm/collectives.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <span>
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

/// Blocks of uneven lengths with gaps behind them: rank r has r + 1 floats, or none when r is 1.
class Blocks {
 public:
  explicit Blocks(int ranks) : memory_(static_cast<std::size_t>(ranks * distance), untouched) {
    for (int rank = 0; rank < ranks; ++rank) {
      lengths_.push_back(rank == 1 ? 0 : (rank + 1) * static_cast<std::int64_t>(sizeof(float)));
    }
  }

  [[nodiscard]] RankBlocks view() {
    return {.memory = std::as_writable_bytes(std::span(memory_)).data(),
            .distance = distance * static_cast<std::int64_t>(sizeof(float)),
            .bytes = lengths_};
  }
  [[nodiscard]] std::span<float> block(int rank) {
    return std::span(memory_).subspan(
        static_cast<std::size_t>(rank * distance),
        static_cast<std::size_t>(lengths_[static_cast<std::size_t>(rank)]) / sizeof(float));
  }
  /// Whether nothing was written behind the blocks.
  [[nodiscard]] bool gaps_are_intact() {
    for (std::size_t place = 0; place < memory_.size(); ++place) {
      const int rank = static_cast<int>(place) / distance;
      if (static_cast<std::size_t>(static_cast<int>(place) % distance) >= block(rank).size() &&
          memory_[place] != untouched) {
        return false;
      }
    }
    return true;
  }

 private:
  static constexpr int distance = 11;
  static constexpr float untouched = -7;
  std::vector<float> memory_;
  std::vector<std::int64_t> lengths_;
};

TEST(Collectives, AllGatherBringsBlocksOfUnevenLengths) {
  const Communicator world = Communicator::world();
  Blocks blocks(world.size());
  std::ranges::fill(blocks.block(world.rank()), static_cast<float>(world.rank() + 1));
  PendingCollective pending = start_all_gather(world, blocks.view());
  while (!pending.test()) {
  }
  for (int rank = 0; rank < world.size(); ++rank) {
    for (const float value : blocks.block(rank)) {
      EXPECT_EQ(value, static_cast<float>(rank + 1)) << "block of rank " << rank;
    }
  }
  EXPECT_TRUE(blocks.gaps_are_intact());
}

TEST(Collectives, ReduceScatterAddsUpBlocksOfUnevenLengths) {
  const Communicator world = Communicator::world();
  Blocks blocks(world.size());
  for (int rank = 0; rank < world.size(); ++rank) {
    std::ranges::fill(blocks.block(rank), static_cast<float>((world.rank() + 1) * (rank + 10)));
  }
  PendingCollective pending = start_reduce_scatter(world, blocks.view());
  pending.wait();
  const int sum_of_ranks = world.size() * (world.size() + 1) / 2;
  for (const float value : blocks.block(world.rank())) {
    EXPECT_EQ(value, static_cast<float>(sum_of_ranks * (world.rank() + 10)));
  }
  EXPECT_TRUE(blocks.gaps_are_intact());
}

TEST(Collectives, RefuseBlocksThatDoNotFitTheirPlaces) {
  const Communicator world = Communicator::world();
  Blocks blocks(world.size());
  RankBlocks long_block = blocks.view();
  long_block.bytes.back() = long_block.distance + 1;
  expect_error(ErrorKind::internal, [&] { static_cast<void>(start_all_gather(world, long_block)); }, {"fit"});
  RankBlocks odd_block = blocks.view();
  odd_block.bytes.back() = 3;
  expect_error(ErrorKind::internal, [&] { static_cast<void>(start_reduce_scatter(world, odd_block)); }, {"whole"});
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
