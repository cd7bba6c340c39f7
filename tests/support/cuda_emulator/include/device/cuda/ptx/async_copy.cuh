#pragma once
/// @file  Twin of src/device/cuda/ptx/async_copy.cuh.

#include <cstdint>
#include <cstring>

#include "device/cuda/ptx/shared_memory.cuh"

namespace cuda_emulator {

inline void copy_async(std::uint32_t to, const void* from, std::size_t bytes, bool is_present, const Place& place) {
  if (reinterpret_cast<std::uintptr_t>(from) % bytes != 0) {
    throw Failure("an asynchronous copy from an address that is not a multiple of its size: " + describe(place));
  }
  std::byte* target = shared_bytes_at(to, bytes, bytes, place);
  thread_copies().add([=] {
    if (is_present) {
      std::memcpy(target, from, bytes);
    } else {
      std::memset(target, 0, bytes);
    }
  });
}

}  // namespace cuda_emulator

namespace ringworld::ptx {

inline void copy_async_16(SharedAddress to, const void* from, bool is_present = true,
                          CudaEmulatorLine line = CudaEmulatorLine::current()) {
  cuda_emulator::copy_async(to, from, 16, is_present, {"copy_async_16", line});
}

inline void copy_async_8(SharedAddress to, const void* from, bool is_present = true,
                         CudaEmulatorLine line = CudaEmulatorLine::current()) {
  cuda_emulator::copy_async(to, from, 8, is_present, {"copy_async_8", line});
}

inline void copy_async_4(SharedAddress to, const void* from, bool is_present = true,
                         CudaEmulatorLine line = CudaEmulatorLine::current()) {
  cuda_emulator::copy_async(to, from, 4, is_present, {"copy_async_4", line});
}

inline void commit_copies() { cuda_emulator::thread_copies().commit(); }

template <int pending>
void wait_copies() {
  cuda_emulator::thread_copies().wait(pending);
}

}  // namespace ringworld::ptx
