#pragma once
/// @file  The one way in which kernels are launched.

#include <cuda_runtime.h>

#include <cstddef>
#include <utility>

#include "device/cuda/check.hpp"

namespace ringworld {

/// How many threads run a kernel, and what they share.
struct LaunchShape {
  dim3 grid = 1;                 ///< blocks
  dim3 block = 1;                ///< threads of a block
  std::size_t shared_bytes = 0;  ///< dynamic shared memory of a block; above 48 KiB the kernel is allowed it here
  unsigned cluster = 1;          ///< neighbouring blocks in x that can reach each other's shared memory, sm_90 and up
};

/// Enqueues `kernel` on `stream`. An empty grid enqueues nothing.
/// @throws Error(internal) when CUDA refuses the shape; errors while it runs show at a later synchronisation.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), const LaunchShape& shape, cudaStream_t stream, Arguments&&... arguments) {
  if (shape.grid.x == 0 || shape.grid.y == 0 || shape.grid.z == 0) {
    return;
  }
  constexpr std::size_t granted_to_all = 48 * 1024;
  if (shape.shared_bytes > granted_to_all) {
    check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                    static_cast<int>(shape.shared_bytes)));
  }
  cudaLaunchAttribute cluster{};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim.x = shape.cluster;
  cluster.val.clusterDim.y = 1;
  cluster.val.clusterDim.z = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = shape.grid;
  config.blockDim = shape.block;
  config.dynamicSmemBytes = shape.shared_bytes;
  config.stream = stream;
  config.attrs = &cluster;
  config.numAttrs = shape.cluster > 1 ? 1 : 0;
  check_cuda(cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...));
}

}  // namespace ringworld
