#include <cuda_runtime_api.h>

#include <cstdlib>
#include <map>
#include <utility>

#include "support/cuda_emulator/block.hpp"
#include "support/cuda_emulator/device_memory.hpp"
#include "support/cuda_emulator/guarded_call.hpp"
#include "support/cuda_emulator/launch.hpp"
#include "support/cuda_emulator/stream.hpp"

namespace cuda_emulator {
namespace {

/// Dynamic shared memory that a kernel was allowed, where that is more than all are.
std::map<const void*, std::size_t>& allowed_shared_bytes() {
  static std::map<const void*, std::size_t> allowed;
  return allowed;
}

std::size_t largest_shared_bytes() {
  int bytes = 0;
  cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0);
  return static_cast<std::size_t>(bytes);
}

/// Whether the kernel that is launched now is the one that RINGWORLD_EMULATED_CUDA_HANG counts to.
bool is_to_hang() {
  static const int chosen = [] {
    const char* text = std::getenv("RINGWORLD_EMULATED_CUDA_HANG");
    return text != nullptr ? std::atoi(text) : 0;
  }();
  static int launched = 0;
  return ++launched == chosen;
}

}  // namespace

cudaError_t enqueue_kernel(const cudaLaunchConfig_t& config, const void* kernel,
                           std::initializer_list<const void*> pointers, std::function<void()> call) {
  constexpr std::size_t granted_to_all = 48 * 1024;
  constexpr unsigned most_threads = 1024;
  const GridShape shape{{config.gridDim.x, config.gridDim.y, config.gridDim.z},
                        {config.blockDim.x, config.blockDim.y, config.blockDim.z},
                        config.dynamicSmemBytes};
  const auto allowed = allowed_shared_bytes().find(kernel);
  const std::size_t most_shared_bytes = allowed == allowed_shared_bytes().end() ? granted_to_all : allowed->second;
  const bool fits_grid = config.gridDim.y <= 65535 && config.gridDim.z <= 65535 && config.gridDim.x < 1U << 31U;
  if (shape.grid.count() == 0 || shape.block.count() == 0 || !fits_grid) {
    return cudaErrorInvalidConfiguration;
  }
  if (shape.block.count() > most_threads || shape.block.z > 64 || shape.shared_bytes > most_shared_bytes) {
    return cudaErrorInvalidValue;
  }
  for (unsigned index = 0; index < config.numAttrs; ++index) {
    const cudaLaunchAttribute& attribute = config.attrs[index];
    if (attribute.id == cudaLaunchAttributeClusterDimension && attribute.val.clusterDim.x > 1) {
      return cudaErrorNotSupported;  // blocks run one after the other
    }
  }
  for (const void* pointer : pointers) {
    if (pointer != nullptr && kind_of(pointer) == MemoryKind::pageable) {
      remember_failure("a kernel was given a pointer to ordinary host memory");
      return cudaErrorLaunchFailure;
    }
  }
  if (is_to_hang()) {
    enqueue_endless(config.stream);
  }
  enqueue(config.stream, [shape, call = std::move(call)] { run_grid(shape, call); });
  return cudaSuccess;
}

cudaError_t set_kernel_attribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  if (attribute == cudaFuncAttributeMaxDynamicSharedMemorySize) {
    if (value < 0 || static_cast<std::size_t>(value) > largest_shared_bytes()) {
      return cudaErrorInvalidValue;
    }
    allowed_shared_bytes()[kernel] = static_cast<std::size_t>(value);
  }
  return cudaSuccess;
}

}  // namespace cuda_emulator
