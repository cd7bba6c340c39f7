#pragma once
/// @file  The CUDA streams behind Stream, for kernels and for libraries that enqueue work themselves.

#include <cuda_runtime_api.h>

#include "device/device.hpp"

namespace ringworld {

/// The CUDA stream that `stream` owns.
/// @throws Error(internal) for a stream of another device.
[[nodiscard]] cudaStream_t native_stream(const Stream& stream);

/// The CUDA stream of cuda_device().compute_stream(): where every kernel goes.
[[nodiscard]] cudaStream_t native_compute_stream();

}  // namespace ringworld
