#pragma once
/// @file  Twin of src/device/cuda/ptx/registers.cuh: nothing to move, but warps count what they have, and wait for what they
/// do not get.

#include <cuda_runtime.h>

namespace ringworld::ptx {

template <int count>
void raise_registers_to(CudaEmulatorLine line = CudaEmulatorLine::current()) {
  static_assert(count % 8 == 0 && count >= 24 && count <= 256);
  const cuda_emulator::Place place{"raise_registers_to", line};
  static_cast<void>(cuda_emulator::warp_in_warpgroup(place));
  static_cast<void>(cuda_emulator::vote(0xffffffffU, true, place));
  cuda_emulator::take_registers(count, place);
}

template <int count>
void lower_registers_to(CudaEmulatorLine line = CudaEmulatorLine::current()) {
  static_assert(count % 8 == 0 && count >= 24 && count <= 256);
  const cuda_emulator::Place place{"lower_registers_to", line};
  static_cast<void>(cuda_emulator::warp_in_warpgroup(place));
  static_cast<void>(cuda_emulator::vote(0xffffffffU, true, place));
  cuda_emulator::give_registers(count, place);
}

}  // namespace ringworld::ptx
