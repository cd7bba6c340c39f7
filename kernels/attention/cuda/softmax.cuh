#pragma once
/// @file  Weights as powers of two, and what -inf stands for.
///
/// e^(scale s - m) = 2^x with x in units of log 2. What is subtracted must never be -inf where s may be -inf too, for the
/// difference of the two is no number.

#include <cuda_runtime.h>

#include "device/cuda/ptx/math.cuh"
#include "kernels/attention/attention.hpp"

namespace ringworld::cuda {

inline constexpr float log2_e = 1.4426950408889634F;
inline constexpr float minus_infinity = -__builtin_huge_valf();

/// What the scores of a row subtract, for its maximum. A row that has seen no key subtracts nothing: all its scores are
/// -inf, and its weights 2^-inf = 0.
__device__ inline float subtrahend_of_maximum(float maximum) { return maximum == minus_infinity ? 0.0F : maximum; }

/// What the backward pass knows of a row's softmax.
struct RowSoftmax {
  float maximum;   ///< of the scaled scores, as the forward pass left it
  float log2_sum;  ///< of the weights under it
};

/// A row that has seen no key in the whole sequence has a maximum that every score is infinitely far below: its weights are
/// 0, whatever the scores of this block are. So are those of queries that do not exist.
__device__ inline RowSoftmax row_softmax(float maximum, float sum) {
  return sum == 0.0F ? RowSoftmax{-minus_infinity, 0.0F} : RowSoftmax{maximum, log2f(sum)};
}

/// How far a score, scaled, lies above the maximum of its row. Rounded before the difference, as in the forward pass, whose
/// maximum is the rounded product of a score.
__device__ inline float excess_of(float score, float scale, float maximum) { return __fmul_rn(score, scale) - maximum; }

/// e^excess / sum
__device__ inline float weight_of(float excess, float log2_sum) {
  return ptx::exp2_approx(fmaf(excess, log2_e, -log2_sum));
}

}  // namespace ringworld::cuda
