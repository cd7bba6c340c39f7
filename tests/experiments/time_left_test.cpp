#include "experiments/common/time_left.hpp"

#include <gtest/gtest.h>

#include <array>

namespace ringworld::test {
namespace {

TEST(TimeLeft, OnePointTellsNothing) {
  EXPECT_FALSE(seconds_left(std::array{DonePoint{.work = 1, .seconds = 2}}, std::array{1.0}).has_value());
}

TEST(TimeLeft, EqualPointsTakeTheMean) {
  const std::array done{DonePoint{.work = 1, .seconds = 2}, DonePoint{.work = 1, .seconds = 4}};
  EXPECT_DOUBLE_EQ(seconds_left(done, std::array{1.0, 1.0}).value(), 6);
  EXPECT_DOUBLE_EQ(seconds_left(done, {}).value(), 0);
}

TEST(TimeLeft, AConstantAndAShareInProportionAreTold) {
  // 3 s a point and 2 s a unit of work.
  const std::array done{DonePoint{.work = 1, .seconds = 5}, DonePoint{.work = 4, .seconds = 11},
                        DonePoint{.work = 2, .seconds = 7}};
  EXPECT_NEAR(seconds_left(done, std::array{8.0, 16.0}).value(), 19 + 35, 1e-9);
}

TEST(TimeLeft, NeitherPartIsNegative) {
  // The line through these begins at -4: what is left of small points would take less than no time.
  const std::array steep{DonePoint{.work = 5, .seconds = 1}, DonePoint{.work = 10, .seconds = 6}};
  EXPECT_GT(seconds_left(steep, std::array{1.0}).value(), 0);
  // Later points were faster: the mean is left.
  const std::array falling{DonePoint{.work = 1, .seconds = 6}, DonePoint{.work = 2, .seconds = 2}};
  EXPECT_DOUBLE_EQ(seconds_left(falling, std::array{20.0}).value(), 4);
}

TEST(TimeLeft, SmallPointsSayNothingOfMuchLargerOnes) {
  const std::array done{DonePoint{.work = 1, .seconds = 5}, DonePoint{.work = 4, .seconds = 11}};
  EXPECT_TRUE(seconds_left(done, std::array{80.0}).has_value());
  EXPECT_FALSE(seconds_left(done, std::array{1.0, 81.0}).has_value());
}

}  // namespace
}  // namespace ringworld::test
