#include "core/unique_handle.hpp"

#include <gtest/gtest.h>

#include <type_traits>
#include <vector>

namespace ringworld::test {
namespace {

/// Handles are numbers; -1 is none, as in a C library.
struct NumberTraits {
  using Handle = int;
  static Handle null() noexcept { return -1; }
  static void close(Handle handle) noexcept { closed().push_back(handle); }
  static std::vector<int>& closed() {
    static std::vector<int> handles;
    return handles;
  }
};

using NumberHandle = UniqueHandle<NumberTraits>;

class UniqueHandleTest : public ::testing::Test {
 protected:
  void SetUp() override { NumberTraits::closed().clear(); }
  using Closed = std::vector<int>;
};

static_assert(!std::is_copy_constructible_v<NumberHandle>);
static_assert(!std::is_copy_assignable_v<NumberHandle>);
static_assert(std::is_nothrow_move_constructible_v<NumberHandle>);

TEST_F(UniqueHandleTest, ClosesOnceAtTheEndOfItsScope) {
  {
    const NumberHandle handle(0);
    EXPECT_TRUE(static_cast<bool>(handle)) << "0 is a handle here, -1 is none";
    EXPECT_EQ(handle.get(), 0);
  }
  EXPECT_EQ(NumberTraits::closed(), Closed{0});
}

TEST_F(UniqueHandleTest, NoHandleIsNotClosed) {
  {
    const NumberHandle none;
  }
  {
    const NumberHandle none(-1);
  }
  EXPECT_EQ(NumberTraits::closed(), Closed{});
}

TEST_F(UniqueHandleTest, MovingHandsOver) {
  {
    NumberHandle first(1);
    NumberHandle second(std::move(first));
    EXPECT_FALSE(static_cast<bool>(first));  // NOLINT(bugprone-use-after-move): what a moved-from handle is
    NumberHandle third(3);
    third = std::move(second);
    EXPECT_EQ(NumberTraits::closed(), Closed{3});
    EXPECT_EQ(third.get(), 1);
  }
  EXPECT_EQ(NumberTraits::closed(), (Closed{3, 1}));
}

TEST_F(UniqueHandleTest, MovingToItselfKeepsTheHandle) {
  NumberHandle handle(4);
  NumberHandle& same = handle;
  handle = std::move(same);
  EXPECT_EQ(handle.get(), 4);
  EXPECT_EQ(NumberTraits::closed(), Closed{});
}

TEST_F(UniqueHandleTest, ReleaseGivesUpOwnership) {
  {
    NumberHandle handle(5);
    EXPECT_EQ(handle.release(), 5);
    EXPECT_FALSE(static_cast<bool>(handle));
  }
  EXPECT_EQ(NumberTraits::closed(), Closed{});
}

TEST_F(UniqueHandleTest, ResetClosesTheOldHandle) {
  NumberHandle handle(6);
  handle.reset(7);
  EXPECT_EQ(NumberTraits::closed(), Closed{6});
  EXPECT_EQ(handle.get(), 7);
  handle.reset();
  handle.reset();
  EXPECT_EQ(NumberTraits::closed(), (Closed{6, 7}));
}

}  // namespace
}  // namespace ringworld::test
