#pragma once
/// @file  The running softmax over score fragments in registers, and its passage from and to the state in memory.
/// Source: Milakov, Gimelshein, "Online normalizer calculation for softmax", arXiv:1805.02867; FlashAttention-2,
/// arXiv:2307.08691, section 3.1. Weights are 2^(log2(e) (scale s - m)): a scaled score is rounded first, then the
/// difference, then the factor. A multiply-add less a product, c s - fl(c m), would make the largest weight 2^(rounding
/// of c m), 1.0005 at scores of 1e4, which the sum keeps and a weight in bf16 does not; and m must be what the state
/// can hold without another rounding, for the backward pass subtracts the same.
///
/// Fragments are those of wgmma (ptx/wgmma.cuh): a thread holds values of two rows, in the order row 0 row 0 row 1
/// row 1, and shares each with the three other threads of its quad.

#include <cstdint>

#include "device/cuda/ptx/math.cuh"
#include "kernels/attention/cuda/hopper/shapes.hpp"
#include "kernels/attention/cuda/softmax.cuh"
#include "kernels/attention/cuda/views.cuh"

namespace ringworld::cuda::hopper {

/// Rows of a fragment that a thread holds values of.
inline constexpr int thread_rows = 2;

/// Maximum over the quad that shares a row.
__device__ inline float quad_maximum(float value) {
  value = fmaxf(value, __shfl_xor_sync(all_lanes, value, 1));
  return fmaxf(value, __shfl_xor_sync(all_lanes, value, 2));
}

__device__ inline float quad_sum(float value) {
  value += __shfl_xor_sync(all_lanes, value, 1);
  return value + __shfl_xor_sync(all_lanes, value, 2);
}

struct RunningSoftmax {
  float maximum[thread_rows];  ///< of the scaled scores; -inf before the first visible key
  float sum[thread_rows];      ///< the thread's share: the quad's shares make the sum

  /// Turns scores into weights e^(scale s - maximum) under the new maximum.
  /// @tparam may_be_hidden  whether the mask may hide all of a row
  /// @param factor  what was summed under the old maximum counts this much under the new
  template <bool may_be_hidden, int N>
  __device__ void fold(float (&scores)[N], float scale, float (&factor)[thread_rows]) {
#pragma unroll
    for (int row = 0; row < thread_rows; ++row) {
      float largest = minus_infinity;
#pragma unroll
      for (int at = 0; at < N; at += 4) {
        scores[at + 2 * row] = __fmul_rn(scores[at + 2 * row], scale);
        scores[at + 2 * row + 1] = __fmul_rn(scores[at + 2 * row + 1], scale);
        largest = fmaxf(largest, fmaxf(scores[at + 2 * row], scores[at + 2 * row + 1]));
      }
      const float old = maximum[row];
      maximum[row] = fmaxf(old, quad_maximum(largest));
      // A row that has seen nothing: 2^(-inf - 0) = 0, and never -inf - (-inf).
      const float reference = may_be_hidden && maximum[row] == minus_infinity ? 0.0F : maximum[row];
      factor[row] = ptx::exp2_approx((old - reference) * log2_e);
      float total = 0.0F;
#pragma unroll
      for (int at = 0; at < N; at += 4) {
#pragma unroll
        for (int column = 0; column < 2; ++column) {
          float& score = scores[at + 2 * row + column];
          score = ptx::exp2_approx((score - reference) * log2_e);
          total += score;
        }
      }
      sum[row] = fmaf(sum[row], factor[row], total);
    }
  }
};

/// values *= factor of their row
template <int N>
__device__ void scale_rows(float (&values)[N], const float (&factor)[thread_rows]) {
#pragma unroll
  for (int at = 0; at < N; ++at) {
    values[at] *= factor[at / 2 % 2];
  }
}

/// Rounds a fragment of sums to bf16; columns 16 `step` to 16 `step` + 15 become the A fragment `to[step]`.
template <int N>
__device__ void round_to_operand(const float (&from)[N], std::uint32_t (&to)[N / 8][4]) {
#pragma unroll
  for (int step = 0; step < N / 8; ++step) {
#pragma unroll
    for (int word = 0; word < 4; ++word) {
      to[step][word] = ptx::pack_bf16(from[8 * step + 2 * word], from[8 * step + 2 * word + 1]);
    }
  }
}

/// Where a thread's fragment rows lie in the state of one head.
struct StatePlace {
  int b;
  int head;
  int row;     ///< the first of the thread's rows; the second is 8 further
  int column;  ///< the first of the thread's columns
  int tokens;  ///< rows from here on do not exist

  [[nodiscard]] __device__ int token(int index) const { return row + 8 * index; }
  [[nodiscard]] __device__ bool exists(int index) const { return token(index) < tokens; }
};

/// Takes the state up. The output of rows without a key, of which a first ring step has no other, is not read.
template <int N>
__device__ void load_state(const StateRows& state, const StatePlace& place, RunningSoftmax& softmax,
                           float (&output)[N]) {
  const bool owns_sum = place.column == 0;
#pragma unroll
  for (int index = 0; index < thread_rows; ++index) {
    softmax.maximum[index] = minus_infinity;
    softmax.sum[index] = 0.0F;
    if (place.exists(index)) {
      softmax.maximum[index] = state.maximum.at(place.b, place.head, place.token(index));
      softmax.sum[index] = owns_sum ? state.sum.at(place.b, place.head, place.token(index)) : 0.0F;
    }
  }
#pragma unroll
  for (float& value : output) {
    value = 0.0F;
  }
#pragma unroll
  for (int index = 0; index < thread_rows; ++index) {
    if (softmax.maximum[index] != minus_infinity) {
      const float* from = state.output.at(place.b, place.token(index), place.head) + place.column;
#pragma unroll
      for (int at = 0; at < N; at += 4) {
        const float2 pair = *reinterpret_cast<const float2*>(from + 2 * at);
        output[at + 2 * index] = pair.x;
        output[at + 2 * index + 1] = pair.y;
      }
    }
  }
}

/// Makes sums of the quads' shares, and leaves maximum and sum in the state.
__device__ inline void store_statistics(const StateRows& state, const StatePlace& place, RunningSoftmax& softmax) {
#pragma unroll
  for (int index = 0; index < thread_rows; ++index) {
    softmax.sum[index] = quad_sum(softmax.sum[index]);
    if (place.exists(index) && place.column == 0) {
      state.maximum.at(place.b, place.head, place.token(index)) = softmax.maximum[index];
      state.sum.at(place.b, place.head, place.token(index)) = softmax.sum[index];
    }
  }
}

template <int N>
__device__ void store_output(const StateRows& state, const StatePlace& place, const float (&output)[N]) {
#pragma unroll
  for (int index = 0; index < thread_rows; ++index) {
    if (!place.exists(index)) {
      continue;
    }
    float* to = state.output.at(place.b, place.token(index), place.head) + place.column;
#pragma unroll
    for (int at = 0; at < N; at += 4) {
      *reinterpret_cast<float2*>(to + 2 * at) = float2{output[at + 2 * index], output[at + 2 * index + 1]};
    }
  }
}

}  // namespace ringworld::cuda::hopper
