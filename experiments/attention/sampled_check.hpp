#pragma once
/// @file  Is a point's result right? Sampled tokens are computed again in fp64 by all ranks together.
///
/// A sampled query is drawn again by every rank; each rank attends to its own keys in fp64, and the partial sums are
/// merged. A sampled key gathers its gradients from every rank's queries in the same way. So the check costs
/// O(samples T H D) a rank at any context length. It takes lse and delta of the queries from the result, and checks both
/// at the sampled ones. What lies on a GPU is copied to the host first, all of it.

#include <cstdint>

#include "experiments/attention/point_data.hpp"

namespace ringworld {

/// Errors of the sampled rows of out and lse (forward), delta, dq, dk and dv (backward): the worst of these tensors. An
/// error is relative to its own row: to the row's largest exact value, or its largest term where the sum cancels. So a
/// late token, whose numbers are small, counts as much as the first.
struct SampledError {
  double largest = 0;  ///< largest of all
  double rms = 0;      ///< root mean square over the tensor's samples
};

/// Checks the last pass; both errors are NaN when any number of the result is not finite. Collective over the ring.
/// @param samples  tokens a sequence: the first, the second, the last, and tokens drawn half evenly and half from early
/// ones, whose gradients are the largest under a causal mask
[[nodiscard]] SampledError check_samples(const PointData& data, std::int64_t samples);

/// What `largest` may be at most for these types; rounding to bfloat16 is 2^-9 of each number.
[[nodiscard]] double error_tolerance(const AttentionProblem& problem);

}  // namespace ringworld
