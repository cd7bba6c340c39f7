#include "perf/samples.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

void expect_summary(std::span<const double> samples, double median, double min, double max) {
  const SampleSummary summary = summarize(samples);
  EXPECT_EQ(summary.median, median);
  EXPECT_EQ(summary.min, min);
  EXPECT_EQ(summary.max, max);
}

TEST(Samples, TheMedianOfAnOddNumberIsTheMiddleOne) {
  expect_summary(std::array{5.0, 1.0, 100.0}, 5.0, 1.0, 100.0);
  expect_summary(std::array{3.0}, 3.0, 3.0, 3.0);
}

TEST(Samples, TheMedianOfAnEvenNumberIsTheMeanOfTheMiddleTwo) {
  expect_summary(std::array{4.0, 1.0, 2.0, 50.0}, 3.0, 1.0, 50.0);
  expect_summary(std::array{2.0, 1.0}, 1.5, 1.0, 2.0);
}

TEST(Samples, TheSamplesKeepTheirOrder) {
  const std::array samples{3.0, 1.0, 2.0};
  static_cast<void>(summarize(samples));
  EXPECT_EQ(samples, (std::array{3.0, 1.0, 2.0}));
}

TEST(Samples, NoSamplesAreAnError) {
  const volatile std::size_t none = 0;  // a constant would make the compiler warn of what the error prevents
  const std::vector<double> samples(none);
  expect_error(ErrorKind::internal, [&] { static_cast<void>(summarize(samples)); }, {"no samples"});
}

}  // namespace
}  // namespace ringworld::test
