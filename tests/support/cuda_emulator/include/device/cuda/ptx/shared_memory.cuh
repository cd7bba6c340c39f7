#pragma once
/// @file  Twin of src/device/cuda/ptx/shared_memory.cuh.

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace ringworld::ptx {

using SharedAddress = std::uint32_t;

[[nodiscard]] inline SharedAddress shared_address(const void* pointer) {
  return cuda_emulator::to_shared_address(pointer);
}

[[nodiscard]] inline std::byte* dynamic_shared_memory() { return cuda_emulator::dynamic_shared(); }

}  // namespace ringworld::ptx
