#pragma once
/// @file  Twin of src/device/cuda/ptx/warp.cuh. Which thread is elected is the emulator's choice, the same for all calls:
/// PTX promises no more.

#include <cuda_runtime.h>

namespace ringworld::ptx {

[[nodiscard]] inline bool elect_one(CudaEmulatorLine line = CudaEmulatorLine::current()) {
  const cuda_emulator::Ballot ballot = cuda_emulator::vote(0xffffffffU, true, {"elect_one", line});
  return cuda_emulator::lane() == static_cast<unsigned>(std::bit_width(ballot.asked)) - 1;
}

}  // namespace ringworld::ptx
