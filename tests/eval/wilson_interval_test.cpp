#include "eval/wilson_interval.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

/// The ends are the shares c just 1.96 of their own standard deviations sqrt(c (1 - c) / n) from what was seen.
TEST(WilsonInterval, EndsAreAsFarFromTheShareAsTheirOwnDeviationAllows) {
  for (const auto& [hits, trials] : {std::pair<std::int64_t, std::int64_t>{8, 10}, {190, 200}, {1, 200}, {3, 7}}) {
    const Interval found = wilson_interval(hits, trials);
    const auto n = static_cast<double>(trials);
    const double share = static_cast<double>(hits) / n;
    EXPECT_LT(found.low, share);
    EXPECT_GT(found.high, share);
    for (const double end : {found.low, found.high}) {
      EXPECT_NEAR(std::abs(share - end) / std::sqrt(end * (1 - end) / n), 1.959963985, 1e-8) << hits << "/" << trials;
    }
  }
}

TEST(WilsonInterval, HasAWidthAtNoneAndAtAll) {
  const Interval none = wilson_interval(0, 20);
  EXPECT_EQ(none.low, 0.0);
  EXPECT_NEAR(none.high, 0.1611251580, 1e-9);
  const Interval all = wilson_interval(20, 20);
  EXPECT_NEAR(all.low, 1 - 0.1611251580, 1e-9);
  EXPECT_EQ(all.high, 1.0);
}

TEST(WilsonInterval, KnowsNothingWithoutTrials) {
  EXPECT_EQ(wilson_interval(0, 0).low, 0.0);
  EXPECT_EQ(wilson_interval(0, 0).high, 1.0);
}

TEST(WilsonInterval, RefusesMoreHitsThanTrials) {
  expect_error(ErrorKind::bad_input, [] { (void)wilson_interval(3, 2); }, {"3 hits of 2 trials"});
}

}  // namespace
}  // namespace ringworld::test
