#pragma once
/// @file  What lets a kernel run or not, decided on the device.

#include <cuda_runtime.h>

namespace ringworld::cuda {

/// A kernel whose gate is closed returns at once. The host does not wait for what the flag says.
struct Gate {
  const int* flag = nullptr;  ///< device memory; null: always open
  int opens_at = 0;           ///< the value of the flag that lets the kernel run

  __device__ bool is_closed() const { return flag != nullptr && *flag != opens_at; }
};

}  // namespace ringworld::cuda
