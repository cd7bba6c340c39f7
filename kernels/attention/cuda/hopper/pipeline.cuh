#pragma once
/// @file  A ring of shared memory stages between a producer warp and the consumer warpgroups.
///
///   producer   wait(empty) -> arrive(full), expecting the bytes of its copies
///   consumers  wait(full)  -> read -> arrive(empty), once a warp
///
/// A barrier's phase flips each time that its arrivals are complete. Everybody walks through the stages in the same
/// order, and so knows which phase to wait for; the first wait for an empty stage is for the phase before the first,
/// which counts as complete.

#include <cstdint>

#include "device/cuda/ptx/mbarrier.cuh"

namespace ringworld::cuda::hopper {

/// Where a walk through the stages stands.
template <int Stages>
struct PipelinePlace {
  int stage = 0;
  std::uint32_t phase = 0;

  __device__ void advance() {
    if (++stage == Stages) {
      stage = 0;
      phase ^= 1U;
    }
  }
};

/// The barriers of one ring, in shared memory.
template <int Stages>
struct Pipeline {
  std::uint64_t full[Stages];
  std::uint64_t empty[Stages];

  /// @param full_arrivals  of threads, the bytes aside     @param empty_arrivals  one a consuming warp
  __device__ void initialize(std::uint32_t full_arrivals, std::uint32_t empty_arrivals) {
    for (int stage = 0; stage < Stages; ++stage) {
      ptx::init_barrier(ptx::shared_address(&full[stage]), full_arrivals);
      ptx::init_barrier(ptx::shared_address(&empty[stage]), empty_arrivals);
    }
  }

  __device__ void wait_full(PipelinePlace<Stages> place) {
    ptx::wait(ptx::shared_address(&full[place.stage]), place.phase);
  }
  __device__ void wait_empty(PipelinePlace<Stages> place) {
    ptx::wait(ptx::shared_address(&empty[place.stage]), place.phase ^ 1U);
  }

  /// Called by whole warps, after the last read of the stage.
  __device__ void release(PipelinePlace<Stages> place) {
    __syncwarp();
    if (threadIdx.x % 32 == 0) {
      ptx::arrive(ptx::shared_address(&empty[place.stage]));
    }
  }
};

}  // namespace ringworld::cuda::hopper
