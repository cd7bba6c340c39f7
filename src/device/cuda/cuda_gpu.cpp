#include <cuda_runtime_api.h>

#include "device/cuda/check.hpp"
#include "device/device.hpp"
#include "device/gpu.hpp"

namespace ringworld {

GpuDescription describe_gpu() {
  const std::string identity = cuda_device().identity();  // says so when there is no GPU
  int ordinal = 0;
  check_cuda(cudaGetDevice(&ordinal));
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, ordinal));
  int kilohertz = 0;
  check_cuda(cudaDeviceGetAttribute(&kilohertz, cudaDevAttrClockRate, ordinal));
  return {.name = properties.name,
          .identity = identity,
          .compute_capability = 10 * properties.major + properties.minor,
          .multiprocessors = properties.multiProcessorCount,
          .memory_bytes = static_cast<std::int64_t>(properties.totalGlobalMem),
          .clock = 1e3 * kilohertz};
}

}  // namespace ringworld
