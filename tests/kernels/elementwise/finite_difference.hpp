#pragma once
/// @file  Gradients against central differences in double.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>
#include <vector>

#include "core/random.hpp"

namespace ringworld::test {

/// Standard normal numbers in double.
[[nodiscard]] inline std::vector<double> normal_doubles(std::size_t count, std::uint64_t stream) {
  const CounterRng rng(23, stream);
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<double>(rng.normals(i / 4)[i % 4]);
  }
  return values;
}

[[nodiscard]] inline double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += a[i] * b[i];
  }
  return sum;
}

/// Expects `gradient` to be that of the number `function(x)`, to 1e-6 of the largest element.
/// A step of 1e-4 leaves h^2 f''' / 6 of about 1e-9 and a rounding of 1e-16 / 1e-4.
template <class Function>
void expect_gradient(std::string_view what, std::vector<double> x, std::span<const double> gradient,
                     Function&& function) {
  constexpr double step = 1e-4;
  ASSERT_EQ(x.size(), gradient.size()) << what;
  double largest = 0;
  for (const double element : gradient) {
    largest = std::max(largest, std::abs(element));
  }
  ASSERT_GT(largest, 0.0) << what << ": a gradient of nothing proves nothing";
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double value = x[i];
    x[i] = value + step;
    const double above = function(x);
    x[i] = value - step;
    const double below = function(x);
    x[i] = value;
    EXPECT_NEAR(gradient[i], (above - below) / (2 * step), 1e-6 * largest) << what << "[" << i << "]";
  }
}

}  // namespace ringworld::test
