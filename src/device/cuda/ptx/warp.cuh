#pragma once
/// @file  What a warp of 32 threads does together, beyond CUDA's own __shfl_sync and vote intrinsics.
/// Source: PTX ISA, "elect.sync" (sm_90).

namespace ringworld::ptx {

/// True in exactly one thread of a warp whose 32 threads all call it. sm_90 and up.
[[nodiscard]] __device__ __forceinline__ bool elect_one() {
  unsigned is_elected;
  asm volatile(
      "{\n"
      ".reg .pred p;\n"
      "elect.sync _|p, 0xffffffff;\n"
      "selp.u32 %0, 1, 0, p;\n"
      "}\n"
      : "=r"(is_elected));
  return is_elected != 0;
}

}  // namespace ringworld::ptx
