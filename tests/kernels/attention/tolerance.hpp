#pragma once
/// @file  How far a backend may be from the dense oracle, and why; all bounds of the attention tests are here.

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

#include "core/dtype.hpp"
#include "device/backend.hpp"

namespace ringworld::test {

/// Bounds of the error, relative to the expected values of a whole tensor.
struct Tolerance {
  double rms;      ///< root mean square of the error / root mean square of the expected values
  double largest;  ///< largest error / largest expected value
};

/// Kernels that compute in fp32. One rounding is 6e-8; a result sums a few hundred terms of either sign, so errors
/// grow like the root of that number: about 1e-6 in the mean, and some standard deviations more in the worst element.
inline constexpr Tolerance computed_in_fp32{.rms = 2e-6, .largest = 2e-5};

/// Results or products rounded to bf16: one rounding is up to 2^-9 = 2e-3, a uniform error has 0.6 of that as its rms.
inline constexpr Tolerance rounded_to_bf16{.rms = 4e-3, .largest = 2e-2};

/// Gradients where one weight of a row is nearly one, as scores of 1e4 make it: dout . v - delta is then the difference of
/// two nearly equal numbers, of which delta is rounded to fp32, and a q or k of 28 multiplies it.
inline constexpr Tolerance gradients_of_huge_scores{.rms = 2e-5, .largest = 5e-4};

/// What errors of out and lse are judged against at least; inputs are drawn with unit variance.
inline constexpr double smallest_output = 0.1;

/// The same for gradients. They may cancel to nothing (a softmax over one key has none), and what is left is the
/// rounding of terms of size one.
inline constexpr double smallest_gradient = 1.0;

/// The bound for results that a backend computes from inputs of this type and writes unrounded.
[[nodiscard]] constexpr Tolerance tolerance_of(Backend backend, DType narrowest_input) {
  // These two widen every input to float at once; the others may multiply in bf16.
  const bool widens = backend == Backend::reference || backend == Backend::kokkos;
  return widens || narrowest_input == DType::float32 ? computed_in_fp32 : rounded_to_bf16;
}

/// Compares two tensors; infinities must be equal, and nothing may be NaN.
/// @param smallest_scale  errors are relative to the expected values, or to this where those are smaller
[[nodiscard]] ::testing::AssertionResult is_close(std::string_view what, const std::vector<double>& actual,
                                                  const std::vector<double>& expected, Tolerance tolerance,
                                                  double smallest_scale = 0.0);

}  // namespace ringworld::test
