/// @file  Transfers of more bytes than MPI 3.1 can count in one message.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "comm/collectives.hpp"
#include "comm/ring.hpp"
#include "device/buffer.hpp"

namespace ringworld::test {
namespace {

constexpr std::int64_t gibibyte = std::int64_t{1} << 30;
/// Not a multiple of a message, nor of a word; two of them a rank.
constexpr std::int64_t large_bytes = 2 * gibibyte + gibibyte / 5 + 3;
static_assert(large_bytes > std::numeric_limits<int>::max());

/// Places that are looked at: both ends, the seams between messages, and every 997 KB.
template <class Function>
void for_each_sample(Function&& function) {
  for (const std::int64_t seam : {gibibyte, 2 * gibibyte, large_bytes}) {
    for (std::int64_t offset = seam - 16; offset < std::min(seam + 16, large_bytes); ++offset) {
      function(offset);
    }
  }
  for (std::int64_t offset = 0; offset < large_bytes; offset += 997'001) {
    function(offset);
  }
}

std::byte content(int rank, std::int64_t offset) {
  return static_cast<std::byte>(static_cast<std::uint64_t>(offset + 1) * 0x9e3779b97f4a7c15U >> 56U ^
                                static_cast<std::uint64_t>(rank + 1) * 0x55U);
}

void fill(const Buffer& buffer, int rank) {
  std::memset(buffer.data(), 0x5a, static_cast<std::size_t>(buffer.bytes()));
  for_each_sample([&](std::int64_t offset) { buffer.as<std::byte>()[offset] = content(rank, offset); });
}

std::int64_t wrong_samples(const Buffer& buffer, int rank) {
  std::int64_t wrong = 0;
  for_each_sample([&](std::int64_t offset) { wrong += buffer.as<std::byte>()[offset] != content(rank, offset); });
  return wrong;
}

std::span<std::byte> bytes_of(const Buffer& buffer) {
  return {buffer.as<std::byte>(), static_cast<std::size_t>(buffer.bytes())};
}

TEST(LargeTransfer, MoreThanTwoGibibytesArriveWhole) {
  const Communicator world = Communicator::world();
  constexpr std::int64_t needed = 12 * gibibyte;
  const std::int64_t available = world.all_reduce(host_device().available_bytes(), Reduction::min);
  if (available < needed) {
    GTEST_SKIP() << fmt::format("needs {} GiB of free memory, {:.1f} are there", needed / gibibyte,
                                static_cast<double>(available) / gibibyte);
  }
  const Ring ring(world);
  const Buffer mine(large_bytes);
  const Buffer arrived(large_bytes);
  fill(mine, ring.rank());
  std::memset(arrived.data(), 0, static_cast<std::size_t>(large_bytes));

  Shift shift(ring.communicator());
  shift.start(ring.neighbours(), bytes_of(mine), bytes_of(arrived));
  shift.wait();
  EXPECT_EQ(wrong_samples(arrived, ring.previous()), 0);
  EXPECT_EQ(shift.traffic().bytes, large_bytes);
  EXPECT_EQ(shift.traffic().messages, 3);
  EXPECT_EQ(shift.traffic().hops, 1);

  std::memset(arrived.data(), 0, static_cast<std::size_t>(large_bytes));
  if (world.rank() == 0) {
    world.send(bytes_of(mine), ring.next(), 0);
  } else {
    world.receive(bytes_of(arrived), ring.previous(), 0);
    EXPECT_EQ(wrong_samples(arrived, ring.previous()), 0);
  }
}

TEST(LargeTransfer, CollectivesOfMoreThanTwoGibibytesArriveWhole) {
  const Communicator world = Communicator::world();
  constexpr std::int64_t needed = 12 * gibibyte;
  const std::int64_t available = world.all_reduce(host_device().available_bytes(), Reduction::min);
  if (available < needed || world.size() != 2) {
    GTEST_SKIP() << fmt::format("needs two ranks and {} GiB of free memory, {:.1f} are there", needed / gibibyte,
                                static_cast<double>(available) / gibibyte);
  }
  // Rank 1 sends its block to rank 0, where it lies behind the place of rank 0's own.
  const Buffer memory(world.is_root() ? 2 * large_bytes : large_bytes);
  const RankBlocks nothing{.memory = memory.as<std::byte>(), .distance = large_bytes, .bytes = {0, 0}};
  RankBlocks one_block = nothing;
  one_block.bytes[world.is_root() ? 1 : 0] = large_bytes;
  const std::span<std::byte> block(memory.as<std::byte>() + (world.is_root() ? large_bytes : 0),
                                   static_cast<std::size_t>(large_bytes));
  std::ranges::fill(block, std::byte{0});
  if (!world.is_root()) {
    for_each_sample([&](std::int64_t offset) { block[static_cast<std::size_t>(offset)] = content(1, offset); });
  }
  const auto wrong = [&](int rank) {
    std::int64_t count = 0;
    for_each_sample(
        [&](std::int64_t at) { count += block[static_cast<std::size_t>(at)] != content(rank, at) ? 1 : 0; });
    return count;
  };
  if (world.is_root()) {
    start_all_to_all(world, nothing, one_block).wait();
  } else {
    start_all_to_all(world, one_block, nothing).wait();
  }
  EXPECT_EQ(wrong(1), 0);

  if (world.is_root()) {
    for_each_sample([&](std::int64_t offset) { block[static_cast<std::size_t>(offset)] = content(7, offset); });
  }
  start_broadcast(world, block, 0).wait();
  EXPECT_EQ(wrong(7), 0);
}

}  // namespace
}  // namespace ringworld::test
