#pragma once
/// @file  Twin of src/device/cuda/ptx/named_barrier.cuh.

#include <cuda_runtime.h>

namespace ringworld::ptx {

inline void barrier_sync(int barrier, int threads, CudaEmulatorLine line = CudaEmulatorLine::current()) {
  cuda_emulator::come_to_barrier(barrier, threads, true, {"barrier_sync", line});
}

inline void barrier_arrive(int barrier, int threads, CudaEmulatorLine line = CudaEmulatorLine::current()) {
  cuda_emulator::come_to_barrier(barrier, threads, false, {"barrier_arrive", line});
}

}  // namespace ringworld::ptx
