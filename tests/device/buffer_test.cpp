#include "device/buffer.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <limits>
#include <vector>

#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

constexpr std::int64_t mebibyte = std::int64_t{1} << 20;

bool is_aligned(const Buffer& buffer) { return reinterpret_cast<std::uintptr_t>(buffer.data()) % 64 == 0; }

/// Lifts the limit again, whatever a test does.
class BufferTest : public ::testing::Test {
 protected:
  void SetUp() override { reset_high_water(); }
  void TearDown() override {
    set_memory_limit(0);
    EXPECT_EQ(memory_account().current, 0) << "a buffer was not given back";
  }
};

TEST_F(BufferTest, EveryByteCanBeWritten) {
  // Around the alignment and around the size from which memory is mapped.
  for (const std::int64_t bytes : {std::int64_t{1}, std::int64_t{63}, std::int64_t{64}, std::int64_t{65},
                                   std::int64_t{4097}, mebibyte - 1, mebibyte, mebibyte + 1, 5 * mebibyte + 3}) {
    const Buffer buffer(bytes);
    ASSERT_NE(buffer.data(), nullptr);
    EXPECT_EQ(buffer.bytes(), bytes);
    EXPECT_TRUE(is_aligned(buffer)) << bytes;
    auto* data = buffer.as<unsigned char>();
    for (std::int64_t index = 0; index < bytes; ++index) {
      data[index] = static_cast<unsigned char>(index);
    }
    EXPECT_EQ(data[bytes - 1], static_cast<unsigned char>(bytes - 1));
    EXPECT_EQ(memory_account().current, bytes);
  }
}

TEST_F(BufferTest, NothingIsHeldForZeroBytes) {
  const Buffer none(0);
  const Buffer made_by_default;
  EXPECT_EQ(none.data(), nullptr);
  EXPECT_EQ(made_by_default.data(), nullptr);
  EXPECT_EQ(none.bytes(), 0);
  EXPECT_EQ(memory_account().high_water, 0);
}

TEST_F(BufferTest, NegativeSizesAreRefused) {
  expect_error(ErrorKind::internal, [] { const Buffer buffer(-1); }, {"negative"});
}

TEST_F(BufferTest, TheAccountFollowsWhatIsHeld) {
  const Buffer first(1000);
  EXPECT_EQ(memory_account().current, 1000);
  {
    const Buffer second(3 * mebibyte);
    EXPECT_EQ(memory_account().current, 1000 + 3 * mebibyte);
  }
  EXPECT_EQ(memory_account().current, 1000);
  EXPECT_EQ(memory_account().high_water, 1000 + 3 * mebibyte);
  reset_high_water();
  EXPECT_EQ(memory_account().high_water, 1000);
  const Buffer third(10);
  EXPECT_EQ(memory_account().high_water, 1010);
}

TEST_F(BufferTest, TheLimitIsExactAndLiftable) {
  set_memory_limit(1000);
  EXPECT_EQ(memory_account().limit, 1000);
  const Buffer most(600);
  expect_error(ErrorKind::out_of_memory, [] { const Buffer buffer(401); },
               {"401 bytes asked for", "600 held", "limit 1000"});
  EXPECT_EQ(memory_account().current, 600) << "a refused buffer is not counted";
  EXPECT_EQ(memory_account().high_water, 600);
  const Buffer rest(400);
  set_memory_limit(0);
  const Buffer more(mebibyte);
  EXPECT_EQ(memory_account().current, 1000 + mebibyte);
}

TEST_F(BufferTest, WhatNoMachineHasIsOutOfMemory) {
  constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t bytes : {std::int64_t{1} << 60, largest - 4096, largest}) {
    expect_error(ErrorKind::out_of_memory, [&] { const Buffer buffer(bytes); },
                 {"out of memory", std::to_string(bytes), "available"});
  }
  const Buffer held(64);
  set_memory_limit(mebibyte);
  expect_error(ErrorKind::out_of_memory, [] { const Buffer buffer(largest); }, {"limit 1048576"});
}

TEST_F(BufferTest, MovingHandsOver) {
  Buffer first(100);
  void* data = first.data();
  Buffer second(std::move(first));
  EXPECT_EQ(second.data(), data);
  EXPECT_EQ(first.data(), nullptr);  // NOLINT(bugprone-use-after-move): what a moved-from buffer is
  EXPECT_EQ(first.bytes(), 0);
  Buffer third(2 * mebibyte);
  third = std::move(second);
  EXPECT_EQ(third.data(), data);
  EXPECT_EQ(third.bytes(), 100);
  EXPECT_EQ(memory_account().current, 100) << "what an assignment replaces is given back at once";
  third = Buffer();
  EXPECT_EQ(memory_account().current, 0);
}

TEST_F(BufferTest, MovingToItselfKeepsTheMemory) {
  Buffer buffer(100);
  buffer.as<char>()[99] = 'x';
  Buffer& same = buffer;
  buffer = std::move(same);
  ASSERT_EQ(buffer.bytes(), 100);
  EXPECT_EQ(buffer.as<char>()[99], 'x');
}

TEST_F(BufferTest, BuffersLiveInContainers) {
  std::vector<Buffer> buffers;
  for (int index = 0; index < 20; ++index) {
    buffers.emplace_back(64);
  }
  EXPECT_EQ(memory_account().current, 20 * 64);
  buffers.erase(buffers.begin(), buffers.begin() + 5);
  EXPECT_EQ(memory_account().current, 15 * 64);
}

}  // namespace
}  // namespace ringworld::test
