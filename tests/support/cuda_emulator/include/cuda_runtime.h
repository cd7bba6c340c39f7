#pragma once
/// @file  CUDA C++ for a C++ compiler: qualifiers that say nothing, built-in variables, launches, and the device functions
/// of the neighbouring headers.
/// Source: CUDA C++ Programming Guide, "C++ Language Extensions".
///
/// Static __shared__ variables are plain statics: a block finds in them what the block before left, not NaN.

#include <cuda_runtime_api.h>

#include <functional>
#include <tuple>
#include <type_traits>

#include "support/cuda_emulator/launch.hpp"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __shared__ static
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)

extern uint3 threadIdx;
extern uint3 blockIdx;
extern dim3 blockDim;
extern dim3 gridDim;
inline constexpr int warpSize = 32;

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  // As in CUDA the values are taken now; the threads get copies of them later.
  std::tuple<std::decay_t<Parameters>...> values(std::forward<Arguments>(arguments)...);
  const auto pointer_or_null = [](const auto& value) -> const void* {
    if constexpr (std::is_pointer_v<std::decay_t<decltype(value)>>) {
      return static_cast<const void*>(value);
    } else {
      return nullptr;
    }
  };
  return std::apply(
      [&](const auto&... value) {
        return cuda_emulator::enqueue_kernel(*config, reinterpret_cast<const void*>(kernel),
                                             {pointer_or_null(value)...},
                                             [kernel, values] { std::apply(kernel, values); });
      },
      values);
}

template <class Kernel>
cudaError_t cudaFuncSetAttribute(Kernel* kernel, cudaFuncAttribute attribute, int value) {
  return cuda_emulator::set_kernel_attribute(reinterpret_cast<const void*>(kernel), attribute, value);
}

/// The emulator runs one block at a time; two let loops over what fits on the device go round.
template <class Kernel>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Kernel /*kernel*/, int /*threads*/,
                                                          std::size_t /*shared_bytes*/) {
  *blocks = 2;
  return cudaSuccess;
}

template <class T>
cudaError_t cudaMalloc(T** data, std::size_t bytes) {
  return cudaMalloc(reinterpret_cast<void**>(data), bytes);
}

#include "device_atomics.h"
#include "device_math.h"
#include "device_warp.h"
#include "vector_types.h"
