#pragma once
/// @file  Where the last block of some queries writes their results: out = output / sum, in the type of the tensor.

#include <cuda_runtime.h>

#include <cstdint>

#include "device/cuda/ptx/math.cuh"
#include "kernels/attention/cuda/views.cuh"

namespace ringworld::cuda {

/// A (B, T, H, D) tensor; the type is asked for at run time, once a row.
struct ResultVectors {
  void* data = nullptr;  ///< null: the block is not the last, and the state is stored
  bool is_float32 = true;
  std::int64_t batch_stride = 0;
  std::int64_t token_stride = 0;
  std::int64_t head_stride = 0;

  [[nodiscard]] __device__ bool is_wanted() const { return data != nullptr; }

  __device__ void store(int b, int t, int h, int d, float value) const {
    const std::int64_t at = offset_of(b, t, h) + d;
    if (is_float32) {
      static_cast<float*>(data)[at] = value;
    } else {
      static_cast<bf16*>(data)[at] = narrow<bf16>(value);
    }
  }

  /// Elements d and d + 1. @pre has_pairs
  __device__ void store_pair(int b, int t, int h, int d, float2 pair) const {
    const std::int64_t at = offset_of(b, t, h) + d;
    if (is_float32) {
      *reinterpret_cast<float2*>(static_cast<float*>(data) + at) = pair;
    } else {
      *reinterpret_cast<std::uint32_t*>(static_cast<bf16*>(data) + at) = ptx::pack_bf16(pair.x, pair.y);
    }
  }

 private:
  [[nodiscard]] __device__ std::int64_t offset_of(int b, int t, int h) const {
    return b * batch_stride + t * token_stride + h * head_stride;
  }
};

[[nodiscard]] inline ResultVectors results_of(const ActivationView& out) {
  return {.data = out.data,
          .is_float32 = out.dtype == DType::float32,
          .batch_stride = out.strides[0],
          .token_stride = out.strides[1],
          .head_stride = out.strides[2]};
}

/// What a row's output is multiplied with. A row that has seen no key has an output of zeros, and ends as zero; a sum
/// that is no number shows.
__device__ inline float inverse_of_sum(float sum) { return sum == 0.0F ? 0.0F : 1.0F / sum; }

/// The results of queries `begin <= t < end` that no key of the block is visible to: the state as it came.
/// Called by all threads of a block.
__device__ inline void write_unchanged(const ResultVectors& out, const StateRows& state, int b, int h, int begin,
                                       int end, int head_size) {
  for (int index = static_cast<int>(threadIdx.x); index < (end - begin) * head_size;
       index += static_cast<int>(blockDim.x)) {
    const int t = begin + index / head_size;
    const int d = index % head_size;
    const float sum = state.sum.at(b, h, t);
    // A fresh state has no output to be read.
    out.store(b, t, h, d, sum == 0.0F ? 0.0F : state.output.at(b, t, h)[d] * inverse_of_sum(sum));
  }
}

}  // namespace ringworld::cuda
