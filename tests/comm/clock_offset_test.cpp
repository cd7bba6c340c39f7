#include "comm/clock_offset.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "core/clock.hpp"

namespace ringworld::test {
namespace {

TEST(ClockOffset, IsFoundBetweenClocksThatAreApart) {
  const Communicator world = Communicator::world();
  const double ahead = 3.0 * world.rank();
  const ClockOffset offset = measure_clock_offset(world, [&] { return now_seconds() + ahead; });
  EXPECT_LE(std::abs(offset.seconds + ahead), offset.error + 1e-9);
  EXPECT_LT(offset.error, 1.0);
}

TEST(ClockOffset, IsZeroOnOneNode) {
  const Communicator world = Communicator::world();
  const ClockOffset offset = measure_clock_offset(world, [] { return now_seconds(); });
  EXPECT_EQ(offset.seconds, 0);
}

}  // namespace
}  // namespace ringworld::test
