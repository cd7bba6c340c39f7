#include "train/learning_rate.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "support/expect_error.hpp"

namespace ringworld {
namespace {

TEST(LearningRate, WarmsUpToThePeakAndStays) {
  const LearningRateSchedule schedule{.peak = 1.0, .warmup_steps = 4, .steps = 10};
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 0), 0.2);
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 3), 0.8);
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 4), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 9), 1.0);
}

TEST(LearningRate, HoldsThenFallsLinearly) {
  // 10 steps of warm-up; of the 100 that remain 70 at the peak, then to a tenth.
  const LearningRateSchedule schedule{
      .peak = 2.0, .minimum = 0.2, .warmup_steps = 10, .steps = 110, .shape = DecayShape::linear, .hold = 0.7};
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 10), 2.0);
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 80), 2.0);
  EXPECT_NEAR(learning_rate(schedule, 95), 1.1, 1e-12);
  EXPECT_NEAR(learning_rate(schedule, 109), 0.2 + 1.8 / 30, 1e-12);
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 110), 0.2);
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 1000), 0.2);
}

TEST(LearningRate, FallsAlongACosine) {
  const LearningRateSchedule schedule{.peak = 1.0, .steps = 100, .shape = DecayShape::cosine};
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 0), 1.0);
  EXPECT_NEAR(learning_rate(schedule, 50), 0.5, 1e-12);
  EXPECT_NEAR(learning_rate(schedule, 25), 0.5 * (1 + std::sqrt(0.5)), 1e-12);
  EXPECT_NEAR(learning_rate(schedule, 100), 0.0, 1e-12);
}

TEST(LearningRate, RefusesWhatCannotBe) {
  test::expect_error(ErrorKind::bad_input, [] { validate({.peak = 1e-3, .minimum = 2e-3}); },
                     {"min_learning_rate is 0.002; give 0 to learning_rate = 0.001"});
  test::expect_error(ErrorKind::bad_input, [] { validate({.peak = -1.0}); }, {"learning_rate is -1"});
  test::expect_error(ErrorKind::bad_input, [] { validate({.peak = 1.0, .hold = 1.5}); }, {"hold is 1.5"});
  test::expect_error(ErrorKind::bad_input, [] { static_cast<void>(parse_decay_shape("cosin")); }, {"cosine"});
}

}  // namespace
}  // namespace ringworld
