#pragma once
/// @file  Activations of either type, read as float. The type is asked for at run time: an element is read once into a
/// tile of floats, where the branch is lost, and one kernel serves every mix of types.

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/attention/cuda/views.cuh"

namespace ringworld::cuda {

struct AnyVectors {
  const void* data = nullptr;
  bool is_float32 = true;
  std::int64_t batch_stride = 0;
  std::int64_t token_stride = 0;
  std::int64_t head_stride = 0;

  __device__ float load(int b, int t, int h, int d) const {
    const std::int64_t at = b * batch_stride + t * token_stride + h * head_stride + d;
    return is_float32 ? static_cast<const float*>(data)[at] : widen(static_cast<const bf16*>(data)[at]);
  }
};

[[nodiscard]] inline AnyVectors any_vectors(const ConstActivationView& tensor) {
  return {.data = tensor.data,
          .is_float32 = tensor.dtype == DType::float32,
          .batch_stride = tensor.strides[0],
          .token_stride = tensor.strides[1],
          .head_stride = tensor.strides[2]};
}

}  // namespace ringworld::cuda
