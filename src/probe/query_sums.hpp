#pragma once
/// @file  The softmax of a probe's queries, in closed form.

#include <cstdint>
#include <span>
#include <vector>

#include "probe/probe.hpp"

namespace ringworld {

/// What the softmax of each query of one head comes to, on any rank; half of the backward closed form.
struct QuerySums {
  double weights = 0;  // sum of exp(score)
  double delta = 0;    // out . dout
  double spread = 0;   // root of the sum of the squared terms of delta: what its rounding is relative to
};

/// @param dout (D), overwritten with the gradient of the query's output
[[nodiscard]] QuerySums sums_of(const ProbeHead& head, std::int64_t query, std::span<float> dout);

/// Sums of every query of the head, on any rank.
[[nodiscard]] std::vector<QuerySums> sums_of_all(const ProbeHead& head, const AttentionProblem& problem, int threads);

}  // namespace ringworld
