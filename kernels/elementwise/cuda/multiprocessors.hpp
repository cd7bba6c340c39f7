#pragma once
/// @file  How large the GPU is.

#include <cuda_runtime_api.h>

#include <cstdint>

#include "device/cuda/check.hpp"

namespace ringworld::row {

/// Multiprocessors of this thread's device.
[[nodiscard]] inline std::int64_t multiprocessors() {
  int ordinal = 0;
  check_cuda(cudaGetDevice(&ordinal));
  int count = 0;
  check_cuda(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, ordinal));
  return count;
}

}  // namespace ringworld::row
