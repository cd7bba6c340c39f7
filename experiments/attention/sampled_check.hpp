#pragma once
/// @file  Is a point's result right? Sampled tokens are computed again in fp64 by all ranks together.
///
/// A sampled query is drawn again by every rank; each rank attends to its own keys in fp64, and the partial sums are
/// merged. A sampled key gathers its gradients from every rank's queries in the same way. So the check costs
/// O(samples T H D) a rank at any context length, and does not use the code that it checks.

#include <cstdint>

#include "experiments/attention/point_data.hpp"

namespace ringworld {

/// Errors of the sampled rows of out (forward) and dq, dk, dv (backward): the worst of these tensors.
struct SampledError {
  double largest = 0;  ///< largest |x - exact| over the largest |exact| of the tensor
  double rms = 0;      ///< root mean square of x - exact over that of exact
};

/// Checks the last pass; both errors are NaN when any number of the result is not finite. Collective over the ring.
/// @param samples  tokens a sequence: the first, the second, the last, and tokens drawn half evenly and half from early
/// ones, whose gradients are the largest under a causal mask
[[nodiscard]] SampledError check_samples(const PointData& data, std::int64_t samples);

/// What `largest` may be at most for these types; rounding to bfloat16 is 2^-9 of each number.
[[nodiscard]] double error_tolerance(const AttentionProblem& problem);

}  // namespace ringworld
