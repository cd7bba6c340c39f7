#pragma once
/// @file  Moves registers between the warpgroups of a block: producers give up what consumers take. sm_90a.
/// Source: PTX ISA, "setmaxnreg".
///
/// All warps of a warpgroup call these together. `count` is a multiple of 8 from 24 to 256; raising waits until others have
/// given up enough. The kernel says how it starts: __launch_bounds__(threads, 1).

namespace ringworld::ptx {

template <int count>
__device__ __forceinline__ void raise_registers_to() {
  static_assert(count % 8 == 0 && count >= 24 && count <= 256);
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(count));
}

template <int count>
__device__ __forceinline__ void lower_registers_to() {
  static_assert(count % 8 == 0 && count >= 24 && count <= 256);
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(count));
}

}  // namespace ringworld::ptx
