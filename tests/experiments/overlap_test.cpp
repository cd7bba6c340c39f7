#include <gtest/gtest.h>

#include "experiments/attention/overlap_probe.hpp"

namespace ringworld {
namespace {

TEST(Overlap, IsOneWhenTheShorterIsHiddenAndZeroWhenBothAddUp) {
  EXPECT_DOUBLE_EQ(overlap_of(1.0, 0.8, 1.0), 1.0);
  EXPECT_DOUBLE_EQ(overlap_of(0.8, 1.0, 1.0), 1.0);
  EXPECT_DOUBLE_EQ(overlap_of(1.0, 0.8, 1.8), 0.0);
  EXPECT_DOUBLE_EQ(overlap_of(1.0, 0.8, 1.4), 0.5);
}

TEST(Overlap, IsZeroWithoutAnythingToHide) { EXPECT_EQ(overlap_of(0.0, 0.5, 0.5), 0.0); }

}  // namespace
}  // namespace ringworld
