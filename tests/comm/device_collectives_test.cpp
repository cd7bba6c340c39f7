/// @file  Collectives of device memory, by every transport: work in the order of the compute stream.

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "comm/collectives.hpp"
#include "support/device_block.hpp"
#include "support/transports.hpp"

namespace ringworld::test {
namespace {

using Floats = DeviceBlock<float>;

constexpr DeviceKind gpu = DeviceKind::cuda;

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

class DeviceCollectives : public ::testing::TestWithParam<Transport> {
 protected:
  void SetUp() override {
    const Communicator world = Communicator::world();
    if (const std::string reason = why_unavailable(world, GetParam()); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
    world_.emplace(world.with_transport(GetParam()));
  }

  [[nodiscard]] const Communicator& world() const { return *world_; }
  [[nodiscard]] std::size_t ranks() const { return static_cast<std::size_t>(world().size()); }

 private:
  std::optional<Communicator> world_;
};

TEST_P(DeviceCollectives, AllGatherBringsEveryShardInRankOrder) {
  for (const std::size_t shard : {std::size_t{0}, std::size_t{1}, std::size_t{1000}}) {
    const Floats mine(values_of(world().rank(), shard));
    const Floats all(shard * ranks());
    PendingCollective pending = start_all_gather(world(), mine.span(), all.span(), gpu);
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
  const Floats all(values_of(world().rank(), shard * ranks()));
  const Floats mine(shard);
  PendingCollective pending = start_reduce_scatter(world(), all.span(), mine.span(), gpu);
  pending.wait();
  const std::vector<float> expected = sums(world().size(), shard * ranks());
  const auto begin = expected.begin() + static_cast<std::ptrdiff_t>(shard) * world().rank();
  EXPECT_EQ(mine.download(), std::vector<float>(begin, begin + shard));
}

TEST_P(DeviceCollectives, AllReduceAddsAndFindsExtremes) {
  const std::size_t count = 501;
  const Floats added(values_of(world().rank(), count));
  const Floats largest(values_of(world().rank(), count));
  all_reduce(world(), added.span(), Reduction::sum, gpu);
  all_reduce(world(), largest.span(), Reduction::max, gpu);
  EXPECT_EQ(added.download(), sums(world().size(), count));
  const std::vector<float> maxima = largest.download();
  for (std::size_t index = 0; index < count; ++index) {
    ASSERT_EQ(maxima[index], std::max(value_of(0, index), value_of(world().size() - 1, index)));
  }
}

TEST_P(DeviceCollectives, LongVectorsTravelInPieces) {
  const std::size_t shard = 1'200'001 / ranks();  // a piece and a bit
  const Floats mine(values_of(world().rank(), shard));
  const Floats all(shard * ranks());
  start_all_gather(world(), mine.span(), all.span(), gpu).wait();
  const Floats sum(shard);
  start_reduce_scatter(world(), all.span(), sum.span(), gpu).wait();
  // Every rank holds the same vector by now: the sum is a multiple of it.
  std::vector<float> expected = values_of(world().rank(), shard);
  for (float& value : expected) {
    value *= static_cast<float>(world().size());
  }
  EXPECT_TRUE(sum.download() == expected);
}

TEST_P(DeviceCollectives, SeveralMayBeUnderWayAndEndInAnyOrder) {
  const std::size_t shard = 100;
  const Floats mine(values_of(world().rank(), shard));
  const Floats first(shard * ranks());
  const Floats second(shard * ranks());
  const Floats whole(values_of(world().rank(), shard * ranks()));
  const Floats part(shard);
  PendingCollective gather_first = start_all_gather(world(), mine.span(), first.span(), gpu);
  PendingCollective reduce = start_reduce_scatter(world(), whole.span(), part.span(), gpu);
  PendingCollective gather_second = start_all_gather(world(), mine.span(), second.span(), gpu);
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
  const Floats mine(values_of(world().rank(), shard));
  const Floats all(shard * ranks());
  {
    const PendingCollective pending = start_all_gather(world(), mine.span(), all.span(), gpu);
  }
  EXPECT_EQ(all.download()[0], value_of(0, 0));
}

std::string transport_name(const ::testing::TestParamInfo<Transport>& info) { return std::string(name_of(info.param)); }

INSTANTIATE_TEST_SUITE_P(Transports, DeviceCollectives, ::testing::ValuesIn(device_transports), transport_name);

}  // namespace
}  // namespace ringworld::test
