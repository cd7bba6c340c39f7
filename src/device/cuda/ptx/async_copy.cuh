#pragma once
/// @file  Copies from global to shared memory that run beside the thread that asked for them. sm_80 and up.
/// Source: PTX ISA, "cp.async", "cp.async.commit_group", "cp.async.wait_group".
///
/// A thread commits the copies that it has asked for as a group, and later waits until at most so many of its groups are
/// still under way. What others copied is there once they have waited and a barrier has followed.

#include <cstdint>

#include "device/cuda/ptx/shared_memory.cuh"

namespace ringworld::ptx {

/// Copies 16 bytes, past the L1 cache; writes 16 zero bytes and reads nothing where `is_present` is false.
/// Both addresses are multiples of 16.
__device__ __forceinline__ void copy_async_16(SharedAddress to, const void* from, bool is_present = true) {
  const std::size_t global = __cvta_generic_to_global(from);
  const int source_bytes = is_present ? 16 : 0;
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(source_bytes)
               : "memory");
}

/// The same for 8 bytes, through the L1 cache; both addresses are multiples of 8.
__device__ __forceinline__ void copy_async_8(SharedAddress to, const void* from, bool is_present = true) {
  const std::size_t global = __cvta_generic_to_global(from);
  const int source_bytes = is_present ? 8 : 0;
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(to), "l"(global), "r"(source_bytes) : "memory");
}

/// The same for 4 bytes, through the L1 cache; for vectors whose start is not a multiple of 16.
__device__ __forceinline__ void copy_async_4(SharedAddress to, const void* from, bool is_present = true) {
  const std::size_t global = __cvta_generic_to_global(from);
  const int source_bytes = is_present ? 4 : 0;
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(to), "l"(global), "r"(source_bytes) : "memory");
}

/// Makes a group, perhaps an empty one, of the copies since the last commit.
__device__ __forceinline__ void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/// Blocks until at most `pending` of this thread's youngest groups are under way.
template <int pending>
__device__ __forceinline__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
}

}  // namespace ringworld::ptx
