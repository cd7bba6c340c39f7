#pragma once
/// @file  Holds the assembler to the order in which arithmetic and waits were written.
///
/// ptxas is free to move a wait for the tensor cores above arithmetic that does not need what is waited for, and does
/// so: arithmetic that was to run beside them then runs after them. It moves no wait over a store written before it.

#include <cuda_runtime.h>

#include <cstdint>

#include "device/cuda/ptx/shared_memory.cuh"

namespace ringworld::ptx {

/// Has `value` computed before the next wait: a store to `scratch` needs it, but never happens, for its condition is a
/// NaN with all bits set, and arithmetic makes only the NaN 0x7fffffff. (With a trap in place of the store the
/// assembler serialises all products.)
/// @param scratch  of four bytes that nobody reads
__device__ __forceinline__ void compute_before_next_wait(float value, SharedAddress scratch) {
  asm volatile(
      "{\n"
      ".reg .pred p;\n"
      "setp.eq.u32 p, %0, 0xffffffff;\n"
      "@p st.shared.u32 [%1], %0;\n"
      "}\n" ::"r"(__float_as_uint(value)),
      "r"(scratch)
      : "memory");
}

}  // namespace ringworld::ptx
