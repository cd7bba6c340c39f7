#pragma once
/// @file  How the results of a warpgroup's 64 queries leave: rounded to bf16, through shared memory, by the copy
/// engine.

#include <cstdint>

#include "device/cuda/ptx/bulk_copy.cuh"
#include "device/cuda/ptx/matrix_copy.cuh"
#include "kernels/attention/cuda/hopper/forward_operands.cuh"
#include "kernels/attention/cuda/hopper/online_softmax.cuh"

namespace ringworld::cuda::hopper {

/// Stages a warpgroup's results, as round_to_operand leaves them, in panels of 64 rows and 64 columns.
/// @param staged  the first panel     @param panel_bytes  from one panel to the next
template <int head_size>
__device__ void stage_results(const std::uint32_t (&rounded)[head_size / 16][4], ptx::SharedAddress staged,
                              int panel_bytes) {
  using Panel = SwizzledTile<warpgroup_rows, 64>;
  const int thread = static_cast<int>(threadIdx.x) % warpgroup_threads;
  // Of a 16 x 16 fragment threads 0-7 give the rows of the upper left matrix, 8-15 lower left, 16-23 upper right and
  // 24-31 lower right.
  const int row = thread / 32 * 16 + thread % 16;
#pragma unroll
  for (int step = 0; step < head_size / 16; ++step) {
    const int chunk = 2 * step + thread % 32 / 16;
    ptx::store_matrices(staged + chunk / 8 * panel_bytes + row * Panel::row_bytes + (chunk % 8 ^ row % 8) * 16,
                        rounded[step]);
  }
}

/// Starts the copies of a warpgroup's staged results to device memory. Called by one thread.
template <int head_size>
__device__ void start_storing_results(const ForwardArguments& arguments, const ForwardPlace& place, int first_row,
                                      ptx::SharedAddress staged, int panel_bytes) {
#pragma unroll
  for (int panel = 0; panel < head_size / 64; ++panel) {
    ptx::store_tile(&arguments.out, staged + panel * panel_bytes, panel * 64, place.query_begin + first_row, place.head,
                    place.b);
  }
  ptx::commit_bulk();
}

}  // namespace ringworld::cuda::hopper
