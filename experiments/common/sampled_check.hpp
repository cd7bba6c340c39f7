#pragma once
/// @file  Is a point's result right? Sampled tokens are computed again in fp64 by all ranks together.
///
/// Of every run of every rank two queries and two keys are sampled, at places drawn from the seed, so that no rank and
/// no block goes unseen; and of every sequence the first two tokens, whose gradients are the largest under a causal
/// mask, and the last. Every rank attends to its own keys for all sampled queries in fp64, and the partial sums are
/// merged; a sampled key gathers its gradients from every rank's queries in the same way. So the check costs O(samples
/// T H D) a rank at any context length, and a handful of reductions a head. It takes the log-sum-exp and delta of the
/// queries from the result, and checks both at the sampled ones. What lies on a GPU is copied to the host first, all of
/// it.

#include <cstdint>
#include <vector>

#include "experiments/common/point_data.hpp"

namespace ringworld {

/// Errors of the sampled rows of out and lse (forward), delta, dq, dk and dv (backward): the worst of these tensors. An
/// error is relative to its own row: to the row's largest exact value, or its largest term where the sum cancels. So a
/// late token, whose numbers are small, counts as much as the first.
struct SampledError {
  double largest = 0;  ///< largest of all
  double rms = 0;      ///< root mean square over the tensor's samples
  double lse = 0;  ///< largest of lse alone, which is never rounded to a narrow type: one key lost in many shows here
};

/// The error tolerances for these types; rounding to bfloat16 is 2^-9 of each number.
struct SampledTolerance {
  double largest = 0;
  double lse = 0;
};

[[nodiscard]] SampledTolerance sampled_tolerance(const AttentionProblem& problem);
/// False for NaN.
[[nodiscard]] bool is_within(const SampledError& error, const SampledTolerance& tolerance);

/// The tokens of one sequence that are looked at, in rising order, none twice.
/// @param sequence  another draw for each     @param seed  of the run
[[nodiscard]] std::vector<std::int64_t> sampled_tokens(const Partition& partition, std::int64_t sequence,
                                                       std::uint64_t seed);

/// Checks the last pass; all errors are NaN when any number of the result is not finite. Collective over the ring.
[[nodiscard]] SampledError check_samples(const PointData& data, std::uint64_t seed);

}  // namespace ringworld
