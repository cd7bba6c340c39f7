#pragma once
/// @file  How far a probe's result may be from its closed form.

#include <cmath>

#include "kernels/attention/attention_problem.hpp"

namespace ringworld {

/// Largest errors of right numbers.
struct ProbeBounds {
  double out;        // of a value of out, relative: the result's own rounding
  double stair_out;  // the same where the weights are rounded, too
  double lse;        // of lse, absolute
  double gradient;   // of a sum's terms, relative: their roundings add up like independent ones

  /// @param ulysses  ranks among which heads are exchanged
  static ProbeBounds of(const AttentionProblem& problem, std::int64_t ulysses) {
    const bool is_wide = problem.dtype == DType::float32 && problem.wire_dtype == DType::float32;
    // On a narrow wire the inputs are exact all the same; only a narrow memory rounds results. Where heads are exchanged,
    // results travel, too.
    const bool is_fp32 = ulysses > 1 ? is_wide : problem.dtype == DType::float32;
    return {.out = is_fp32 ? 0x1.0p-18 : 0x1.0p-8,
            .stair_out = is_fp32 ? 0x1.0p-15 : 0x1.0p-6,
            .lse = 1e-4,
            .gradient = is_wide ? 0x1.0p-14 : 0x1.0p-6};
  }
};

/// Of a gradient, whatever its terms.
inline constexpr double smallest_gradient_error = 1e-5;

/// Written so that NaN is outside.
inline bool is_within(double value, double expected, double bound) { return std::abs(value - expected) <= bound; }

}  // namespace ringworld
