#pragma once
/// @file  Shared memory as PTX instructions address it: 32-bit addresses of the window that a block's memory lies in.
/// Source: PTX ISA, "State Spaces: .shared".

#include <cstddef>
#include <cstdint>

namespace ringworld::ptx {

/// A byte of this block's shared memory.
using SharedAddress = std::uint32_t;

[[nodiscard]] __device__ __forceinline__ SharedAddress shared_address(const void* pointer) {
  return static_cast<SharedAddress>(__cvta_generic_to_shared(pointer));
}

/// The block's dynamic shared memory: as many bytes as the launch gave, aligned to 1024 bytes if the kernel has no static
/// shared memory.
[[nodiscard]] __device__ __forceinline__ std::byte* dynamic_shared_memory() {
  extern __shared__ __align__(1024) std::byte ringworld_dynamic_shared_memory[];
  return ringworld_dynamic_shared_memory;
}

}  // namespace ringworld::ptx
