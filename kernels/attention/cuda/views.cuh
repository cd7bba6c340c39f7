#pragma once
/// @file  The tensors of the contract as kernels see them: a pointer to device memory and strides, in elements.
/// Token, head and batch indices fit an int (checked by cuda_attention.cpp); offsets do not, and are 64 bits wide.

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "core/bf16.hpp"
#include "core/tensor_view.hpp"
#include "kernels/attention/attention.hpp"

namespace ringworld::cuda {

/// Vectors of D dense elements, one a (batch, token, head).
template <class T>
struct HeadVectors {
  T* data = nullptr;
  std::int64_t batch_stride = 0;
  std::int64_t token_stride = 0;
  std::int64_t head_stride = 0;

  __device__ T* at(int b, int t, int h) const { return data + b * batch_stride + t * token_stride + h * head_stride; }
};

/// Of a (B, T, H, D) tensor.
template <class T>
[[nodiscard]] HeadVectors<T> vectors_by_token(const TensorView<T, 4>& tensor) {
  return {tensor.data, tensor.strides[0], tensor.strides[1], tensor.strides[2]};
}

/// Of a (B, H, T, D) tensor, as the state's output is.
template <class T>
[[nodiscard]] HeadVectors<T> vectors_by_head(const TensorView<T, 4>& tensor) {
  return {tensor.data, tensor.strides[0], tensor.strides[2], tensor.strides[1]};
}

/// One number a (batch, head, token): maximum, sum, delta.
template <class T>
struct RowNumbers {
  T* data = nullptr;
  std::int64_t batch_stride = 0;
  std::int64_t head_stride = 0;
  std::int64_t token_stride = 0;

  __device__ T& at(int b, int h, int t) const { return data[b * batch_stride + h * head_stride + t * token_stride]; }
};

template <class T>
[[nodiscard]] RowNumbers<T> numbers_of(const TensorView<T, 3>& tensor) {
  return {tensor.data, tensor.strides[0], tensor.strides[1], tensor.strides[2]};
}

/// The running softmax, see AttentionState.
struct StateRows {
  RowNumbers<float> maximum;
  RowNumbers<float> sum;
  HeadVectors<float> output;
};

[[nodiscard]] inline StateRows rows_of(const AttentionState& state) {
  return {numbers_of(state.maximum), numbers_of(state.sum), vectors_by_head(state.output)};
}

inline __device__ float widen(float value) { return value; }
inline __device__ float widen(bf16 value) { return __uint_as_float(static_cast<unsigned>(value.bits) << 16U); }

/// Rounds to nearest, ties to even, as bf16's own constructor does; that one is compiled for the host only.
template <class T>
__device__ T narrow(float value) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return value;
  } else {
    bf16 result;
    result.bits = __bfloat16_as_ushort(__float2bfloat16_rn(value));
    return result;
  }
}

}  // namespace ringworld::cuda
