#include "kernels/attention/tolerance.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ringworld::test {

::testing::AssertionResult is_close(std::string_view what, const std::vector<double>& actual,
                                    const std::vector<double>& expected, Tolerance tolerance, double smallest_scale) {
  if (actual.size() != expected.size()) {
    return ::testing::AssertionFailure() << what << ": " << actual.size() << " values, expected " << expected.size();
  }
  double error_squares = 0.0;
  double squares = 0.0;
  double largest = 0.0;
  double largest_error = 0.0;
  std::size_t worst = 0;
  std::size_t count = 0;
  for (std::size_t index = 0; index < expected.size(); ++index) {
    if (std::isinf(expected[index]) && actual[index] == expected[index]) {
      continue;
    }
    if (!std::isfinite(actual[index]) || std::isinf(expected[index])) {
      return ::testing::AssertionFailure()
             << what << "[" << index << "] is " << actual[index] << ", expected " << expected[index];
    }
    const double error = std::abs(actual[index] - expected[index]);
    error_squares += error * error;
    squares += expected[index] * expected[index];
    largest = std::max(largest, std::abs(expected[index]));
    if (error > largest_error) {
      largest_error = error;
      worst = index;
    }
    ++count;
  }
  if (count == 0) {
    return ::testing::AssertionSuccess();
  }
  // The smallest normal number stands in for zero: no error is tolerated where nothing but zero is expected.
  const double floor = std::max(smallest_scale, std::numeric_limits<double>::min());
  const double rms = std::sqrt(error_squares / static_cast<double>(count)) /
                     std::max(std::sqrt(squares / static_cast<double>(count)), floor);
  const double relative = largest_error / std::max(largest, floor);
  if (rms <= tolerance.rms && relative <= tolerance.largest) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << what << ": normalised rms error " << rms << " (bound " << tolerance.rms
                                       << "), largest " << relative << " (bound " << tolerance.largest << ") at ["
                                       << worst << "]: " << actual[worst] << ", expected " << expected[worst];
}

}  // namespace ringworld::test
