/// @file  Hops of device memory, by every transport: work in the order of the compute stream.
///
/// Blocks are filled, used and read on the compute stream alone, so that a transport which does not wait for it, or does
/// not make it wait, moves what is not there yet.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <optional>
#include <thread>
#include <vector>

#include "comm/device_choice.hpp"
#include "comm/ring.hpp"
#include "comm/transport_facts.hpp"
#include "support/device_block.hpp"
#include "support/expect_error.hpp"
#include "support/transports.hpp"

namespace ringworld::test {
namespace {

using Bytes = std::vector<std::byte>;
using Block = DeviceBlock<std::byte>;

constexpr std::int64_t chunk = 256;

/// A block that only this rank sends: its bytes depend on rank and position.
Bytes block_of(int rank, std::size_t bytes) {
  Bytes block(bytes);
  for (std::size_t index = 0; index < bytes; ++index) {
    block[index] = static_cast<std::byte>(17 * (rank + 1) + static_cast<int>(index % 251));
  }
  return block;
}

/// Of two chunks and a bit, and different on every rank.
std::size_t uneven_bytes(int rank) { return static_cast<std::size_t>(2 * chunk + 11 * (rank + 1)); }

class DeviceShift : public ::testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    const Communicator world = Communicator::world();
    if (const std::string reason = why_unavailable(world, GetParam()); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
    ring_.emplace(travelling(world, GetParam()));
  }

  [[nodiscard]] static DeviceKind memory() { return GetParam().memory; }
  [[nodiscard]] const Ring& ring() const { return *ring_; }
  [[nodiscard]] Shift make_shift() const {
    return Shift(ring().communicator(), {.memory = memory(), .message_limit = 100, .chunk_bytes = chunk});
  }

 private:
  std::optional<Ring> ring_;
};

TEST_P(DeviceShift, AHopBringsThePreviousRanksBlock) {
  Shift shift = make_shift();
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{chunk - 1}, std::size_t{chunk}, std::size_t{chunk + 1},
                                  std::size_t{3 * chunk}, std::size_t{20 * chunk + 7}}) {
    const Block mine(block_of(ring().rank(), bytes), memory());
    const Block arrived(bytes, memory());
    shift.start(ring().neighbours(), mine.span(), arrived.span());
    shift.wait();
    EXPECT_EQ(arrived.download(), block_of(ring().previous(), bytes)) << bytes << " bytes";
  }
}

/// Rotates blocks of `bytes_of(rank)` bytes through two buffers, as the ring does, with copies on the compute stream in the
/// place of its work, and looks at the copies in the end only.
template <class BytesOf>
void rotate_through_two_buffers(const Ring& ring, Shift& shift, DeviceKind memory, BytesOf&& bytes_of) {
  std::size_t longest = 0;
  for (int rank = 0; rank < ring.size(); ++rank) {
    longest = std::max(longest, bytes_of(rank));
  }
  std::array<Block, 2> buffers{Block(longest, memory), Block(longest, memory)};
  buffers[0].upload(block_of(ring.rank(), bytes_of(ring.rank())));
  constexpr int hops = 9;
  std::vector<Block> computed;
  for (int hop = 0; hop < hops; ++hop) {
    computed.emplace_back(bytes_of(ring.origin_after(hop)), memory);
  }
  for (int hop = 0; hop < hops; ++hop) {
    const Block& current = buffers[static_cast<std::size_t>(hop % 2)];
    const Block& incoming = buffers[static_cast<std::size_t>((hop + 1) % 2)];
    const std::size_t bytes = bytes_of(ring.origin_after(hop));
    shift.start(ring.neighbours(), current.first(bytes), incoming.first(bytes_of(ring.origin_after(hop + 1))));
    computed[static_cast<std::size_t>(hop)].copy(current.first(bytes));  // reads what the next hop overwrites
    shift.wait();
  }
  for (int hop = 0; hop < hops; ++hop) {
    const int origin = ring.origin_after(hop);
    EXPECT_EQ(computed[static_cast<std::size_t>(hop)].download(), block_of(origin, bytes_of(origin)))
        << "after " << hop << " hops";
  }
}

TEST_P(DeviceShift, TwoBuffersAreEnoughForComputeBehindHops) {
  Shift shift = make_shift();
  rotate_through_two_buffers(ring(), shift, memory(), uneven_bytes);
}

TEST_P(DeviceShift, ABlockThatArrivesWhileNothingLeavesWaitsForComputeToo) {
  Shift shift = make_shift();
  // More chunks than are under way at once; four ranks have two such blocks that differ.
  rotate_through_two_buffers(ring(), shift, memory(),
                             [](int rank) { return rank % 2 == 0 ? std::size_t{0} : std::size_t{7 * chunk + 5}; });
}

TEST_P(DeviceShift, TheSentBlockMayBeOverwrittenBehindTheHop) {
  Shift shift = make_shift();
  const std::size_t bytes = 5 * chunk;
  Block mine(block_of(ring().rank(), bytes), memory());
  const Block arrived(bytes, memory());
  for (int hop = 0; hop < 3; ++hop) {
    shift.start(ring().neighbours(), mine.span(), arrived.span());
    shift.wait();
    mine.upload(block_of(ring().rank() + 10 * (hop + 1), bytes));
  }
  EXPECT_EQ(arrived.download(), block_of(ring().previous() + 20, bytes));
}

TEST_P(DeviceShift, TrafficCountsWhatThisRankSent) {
  Shift shift = make_shift();
  const Block mine(block_of(ring().rank(), uneven_bytes(ring().rank())), memory());
  const Block arrived(uneven_bytes(ring().previous()), memory());
  for (int hop = 0; hop < 3; ++hop) {
    shift.start(ring().neighbours(), mine.span(), arrived.span());
    shift.wait();
  }
  EXPECT_EQ(shift.traffic().hops, 3);
  EXPECT_EQ(shift.traffic().bytes, 3 * static_cast<std::int64_t>(uneven_bytes(ring().rank())));
  EXPECT_GE(shift.traffic().messages, 3);
  shift.reset_traffic();
  EXPECT_EQ(shift.traffic().bytes, 0);
  EXPECT_EQ(arrived.download(), block_of(ring().previous(), uneven_bytes(ring().previous())));
}

TEST_P(DeviceShift, SomeBlocksMayBeEmpty) {
  Shift shift = make_shift();
  const auto bytes_of = [](int rank) { return rank % 2 == 0 ? std::size_t{0} : std::size_t{3 * chunk + 5}; };
  std::array<Block, 2> buffers{Block(bytes_of(1), memory()), Block(bytes_of(1), memory())};
  buffers[0].upload(block_of(ring().rank(), bytes_of(ring().rank())));
  for (int hop = 0; hop < ring().size(); ++hop) {
    const std::size_t incoming = bytes_of(ring().origin_after(hop + 1));
    shift.start(ring().neighbours(), buffers[0].first(bytes_of(ring().origin_after(hop))), buffers[1].first(incoming));
    shift.wait();
    std::swap(buffers[0], buffers[1]);
    EXPECT_EQ(buffers[0].download(incoming), block_of(ring().origin_after(hop + 1), incoming));
  }
  EXPECT_EQ(shift.traffic().hops, ring().size());
}

TEST_P(DeviceShift, TwoShiftsOfARingDoNotMix) {
  Shift keys = make_shift();
  Shift gradients = make_shift();
  const std::size_t bytes = 4 * chunk + 1;
  const Block key_block(block_of(ring().rank(), bytes), memory());
  const Block gradient_block(block_of(ring().rank() + 100, bytes), memory());
  const Block keys_arrived(bytes, memory());
  const Block gradients_arrived(bytes, memory());
  keys.start(ring().neighbours(), key_block.span(), keys_arrived.span());
  gradients.start(ring().neighbours(), gradient_block.span(), gradients_arrived.span());
  gradients.wait([&] { keys.test(); });
  keys.wait();
  EXPECT_EQ(keys_arrived.download(), block_of(ring().previous(), bytes));
  EXPECT_EQ(gradients_arrived.download(), block_of(ring().previous() + 100, bytes));
}

TEST_P(DeviceShift, PeersMayChangeFromHopToHop) {
  Shift shift = make_shift();
  const int ranks = ring().size();
  const int rank = ring().rank();
  for (int distance = 0; distance < ranks; ++distance) {
    const Peers peers{.to = (rank + distance) % ranks, .from = (rank + ranks - distance) % ranks};
    const Block sent(block_of(rank, uneven_bytes(peers.to)), memory());
    const Block received(uneven_bytes(rank), memory());
    shift.start(peers, sent.span(), received.span());
    shift.wait();
    EXPECT_EQ(received.download(), block_of(peers.from, uneven_bytes(rank))) << "from " << distance << " ranks away";
  }
}

TEST_P(DeviceShift, ALineHasEndsWithoutAPeer) {
  Shift shift = make_shift();
  const Peers peers{.to = ring().rank() + 1 < ring().size() ? ring().rank() + 1 : -1, .from = ring().rank() - 1};
  const std::size_t bytes = 3 * chunk + 5;
  const Block sent(block_of(ring().rank(), bytes), memory());
  const Block received(Bytes(bytes, std::byte{9}), memory());
  shift.start(peers, sent.first(peers.to >= 0 ? bytes : 0), received.first(peers.from >= 0 ? bytes : 0));
  shift.wait();
  EXPECT_EQ(received.download(), peers.from >= 0 ? block_of(peers.from, bytes) : Bytes(bytes, std::byte{9}));
}

TEST_P(DeviceShift, TestingAloneCompletesAHop) {
  Shift shift = make_shift();
  EXPECT_TRUE(shift.test()) << "no hop is under way";
  const std::size_t bytes = 10 * chunk;
  const Block mine(block_of(ring().rank(), bytes), memory());
  const Block arrived(bytes, memory());
  shift.start(ring().neighbours(), mine.span(), arrived.span());
  while (!shift.test()) {
    std::this_thread::yield();
  }
  EXPECT_TRUE(shift.test());
  EXPECT_EQ(arrived.download(), block_of(ring().previous(), bytes));
}

TEST_P(DeviceShift, AHopMustEndBeforeTheNext) {
  Shift shift = make_shift();
  const Block mine(block_of(ring().rank(), 1000), memory());
  const Block arrived(1000, memory());
  shift.start(ring().neighbours(), mine.span(), arrived.span());
  expect_error(ErrorKind::internal, [&] { shift.start(ring().neighbours(), mine.span(), arrived.span()); },
               {"not ended"});
  shift.wait();
  EXPECT_EQ(arrived.download(), block_of(ring().previous(), 1000));
}

TEST_P(DeviceShift, RingsOfSplitCommunicatorsInheritTheTransport) {
  const Communicator& world = ring().communicator();
  const int color = world.rank() % 2;
  const Ring half(world.split(color, world.rank()));
  EXPECT_EQ(transport_of(half.communicator(), memory()), GetParam().transport);
  Shift shift(half.communicator(), {.memory = memory(), .chunk_bytes = chunk});
  const Block mine(block_of(world.rank(), 300), memory());
  const Block arrived(300, memory());
  shift.start(half.neighbours(), mine.span(), arrived.span());
  shift.wait();
  EXPECT_EQ(arrived.download(), block_of(2 * half.previous() + color, 300));
}

INSTANTIATE_TEST_SUITE_P(Ways, DeviceShift, ::testing::ValuesIn(device_ways), way_name);

TEST(DeviceTransport, NcclIsRefusedToRanksThatShareAGpu) {
  const Communicator world = Communicator::world();
  if (const std::string reason = why_unavailable(world, Transport::staged); !reason.empty()) {
    GTEST_SKIP() << reason;
  }
  const bool has_own_gpus = world.all_agree(ranks_on_device(world, DeviceKind::cuda) == 1);
  const Communicator by_nccl = world.with_transport(Transport::nccl);
  if (has_own_gpus && is_nccl_built()) {
    EXPECT_EQ(by_nccl.transport(), Transport::nccl);
    EXPECT_EQ(world.transport(), Transport::nccl) << "the automatic choice";
  } else {
    expect_error(ErrorKind::bad_input, [&] { static_cast<void>(by_nccl.transport()); }, {"nccl"});
    EXPECT_NE(world.transport(), Transport::nccl);
  }
}

}  // namespace
}  // namespace ringworld::test
