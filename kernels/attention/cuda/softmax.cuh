#pragma once
/// @file  Weights as powers of two, and what -inf stands for.
///
/// e^(scale s - m) = 2^x with x in units of log 2. What is subtracted must never be -inf where s may be -inf too, for the
/// difference of the two is no number.

#include <cuda_runtime.h>

#include "device/cuda/ptx/math.cuh"

namespace ringworld::cuda {

inline constexpr float log2_e = 1.4426950408889634F;
inline constexpr float minus_infinity = -__builtin_huge_valf();

/// What the scores of a row subtract, for its maximum. A row that has seen no key subtracts nothing: all its scores are
/// -inf, and its weights 2^-inf = 0.
__device__ inline float subtrahend_of_maximum(float maximum) { return maximum == minus_infinity ? 0.0F : maximum; }

/// The exponent that weights subtract in the backward pass. A row that has seen no key in the whole sequence subtracts
/// +inf: its weights are 0, whatever the scores of this block are.
__device__ inline float exponent_of_lse(float lse) { return lse == minus_infinity ? -minus_infinity : lse * log2_e; }

}  // namespace ringworld::cuda
