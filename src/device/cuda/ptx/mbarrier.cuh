#pragma once
/// @file  Barriers in shared memory that count arrivals of threads and bytes of asynchronous copies. sm_90 and up.
/// Source: PTX ISA, "mbarrier".
///
/// A barrier is a 64-bit word. Its phases follow each other, with parity 0, 1, 0, ...; the present one is complete when
/// the arrivals that init() announced have come and all bytes expected in it have been copied. A wait names the parity of
/// the phase whose end it waits for: on a fresh barrier wait(barrier, 0) waits for the first phase, wait(barrier, 1)
/// passes at once (the phase "before the first").

#include <cstdint>

#include "device/cuda/ptx/shared_memory.cuh"

namespace ringworld::ptx {

/// @param arrivals  of each phase, 1 to 2^20 - 1
/// One thread calls it; fence_barrier_init() and a barrier of the block follow before others use it.
__device__ __forceinline__ void init_barrier(SharedAddress barrier, std::uint32_t arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}

/// Shows initialised barriers to the asynchronous copies.
__device__ __forceinline__ void fence_barrier_init() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

__device__ __forceinline__ void arrive(SharedAddress barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}

/// Announces that copies will bring `bytes` in this phase, then arrives. Before the copies are started.
__device__ __forceinline__ void arrive_expecting(SharedAddress barrier, std::uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}

/// Whether the phase of this parity is complete; may wait for a while to find out.
[[nodiscard]] __device__ __forceinline__ bool try_wait(SharedAddress barrier, std::uint32_t parity) {
  std::uint32_t is_complete;
  asm volatile(
      "{\n"
      ".reg .pred p;\n"
      "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
      "selp.u32 %0, 1, 0, p;\n"
      "}\n"
      : "=r"(is_complete)
      : "r"(barrier), "r"(parity)
      : "memory");
  return is_complete != 0;
}

/// Blocks until the phase of this parity is complete.
__device__ __forceinline__ void wait(SharedAddress barrier, std::uint32_t parity) {
  while (!try_wait(barrier, parity)) {
  }
}

}  // namespace ringworld::ptx
