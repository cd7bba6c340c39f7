#include "perf/link_fit.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

std::vector<LinkSample> samples_of(double latency, double bytes_per_second) {
  std::vector<LinkSample> samples;
  for (double bytes = 8; bytes < 2e9; bytes *= 4) {
    samples.push_back({.bytes = bytes, .seconds = latency + bytes / bytes_per_second});
  }
  return samples;
}

TEST(LinkFit, FindsLatencyAndBandwidthOfExactTimes) {
  const LinkFit fit = fit_link(samples_of(3e-6, 12.5e9));
  EXPECT_NEAR(fit.latency, 3e-6, 1e-12);
  EXPECT_NEAR(fit.bytes_per_second, 12.5e9, 1e3);
  EXPECT_LT(fit.largest_error, 1e-9);
}

TEST(LinkFit, ShortTransfersCountAsMuchAsLongOnes) {
  std::vector<LinkSample> samples = samples_of(3e-6, 12.5e9);
  samples.back().seconds *= 1.1;  // 17 ms, thousands of latencies
  const LinkFit fit = fit_link(samples);
  EXPECT_NEAR(fit.latency, 3e-6, 0.1e-6);
  EXPECT_NEAR(fit.bytes_per_second, 12.5e9, 0.5e9);
  EXPECT_NEAR(fit.largest_error, 0.1 / 1.1, 0.03);
}

TEST(LinkFit, NothingComesOutNegative) {
  // The longer, the more than proportional: a straight line would cross zero time.
  const std::vector<LinkSample> bent{
      {.bytes = 10, .seconds = 1}, {.bytes = 20, .seconds = 3}, {.bytes = 40, .seconds = 9}};
  EXPECT_EQ(fit_link(bent).latency, 0);
  EXPECT_GT(fit_link(bent).bytes_per_second, 0);
  const std::vector<LinkSample> falling{{.bytes = 10, .seconds = 3}, {.bytes = 20, .seconds = 2}};
  EXPECT_TRUE(std::isinf(fit_link(falling).bytes_per_second));
  EXPECT_GT(fit_link(falling).latency, 2);
}

TEST(LinkFit, NeedsTwoLengths) {
  expect_error(ErrorKind::internal, [] { static_cast<void>(fit_link({})); }, {"two lengths"});
  const std::vector<LinkSample> one{{.bytes = 10, .seconds = 1}, {.bytes = 10, .seconds = 2}};
  expect_error(ErrorKind::internal, [&] { static_cast<void>(fit_link(one)); }, {"two lengths"});
}

}  // namespace
}  // namespace ringworld::test
