#pragma once
/// @file  The 16 barriers of a block, for some of its warps. Barrier 0 is the one of __syncthreads().
/// Source: PTX ISA, "bar".
///
/// A barrier opens when `threads` threads, a multiple of 32, have come to it, whether to wait or only to say so. Whole
/// warps come together.

namespace ringworld::ptx {

/// Arrives and waits.
__device__ __forceinline__ void barrier_sync(int barrier, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}

/// Arrives without waiting.
__device__ __forceinline__ void barrier_arrive(int barrier, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}

}  // namespace ringworld::ptx
