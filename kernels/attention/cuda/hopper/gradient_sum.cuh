#pragma once
/// @file  Adds fp32 fragments to a tensor in device memory by the copy engine: no thread waits for memory, and several
/// blocks may add to the same rows.
/// Source: PTX ISA, "cp.reduce.async.bulk.tensor", operation .add.
///
/// A warpgroup stages 64 rows x 64 columns of fp32. A half warp stores two columns of each thread for four rows: 32
/// bytes a row. Rows are 288 bytes apart, so that four of them meet all 32 banks. The copy engine knows only dense
/// boxes: a box is 72 columns wide, and its map has no more than 64 columns, so that the last eight lie outside the
/// tensor and are left out. A tensor of 128 columns has a map for each half.

#include <cuda.h>

#include <cstddef>
#include <cstdint>

#include "device/cuda/ptx/bulk_copy.cuh"
#include "device/cuda/ptx/named_barrier.cuh"
#include "kernels/attention/cuda/hopper/shapes.hpp"

namespace ringworld::cuda::hopper {

/// The staging memory of one warpgroup, and its position in the fragment.
class GradientSum {
 public:
  static constexpr int rows = warpgroup_rows;
  static constexpr int columns = 64;
  static constexpr int box_columns = columns + 8;
  static constexpr int row_bytes = box_columns * static_cast<int>(sizeof(float));
  static_assert(row_bytes % 128 == 32);
  /// Two, since warps that only arrive at the one may come to the other before the first warp does.
  static constexpr int barriers = 2;
  static constexpr int bytes = rows * row_bytes;

  /// @param staging  `bytes` of shared memory, aligned to 128
  /// @param first_barrier  the first of `barriers` named barriers that are the warpgroup's own
  __device__ GradientSum(std::byte* staging, int first_barrier)
      : staging_(staging), staged_barrier_(first_barrier), free_barrier_(first_barrier + 1) {}

  /// Waits until the copy engine has read what was staged last. Only the thread that started it can wait; the others
  /// have to meet it at a barrier before they stage again.
  __device__ void wait_until_read() const {
    if (own_thread() == 0) {
      ptx::wait_bulk_read<0>();
    }
  }

  /// As above, with the barrier.
  __device__ void wait_until_free() const {
    wait_until_read();
    ptx::barrier_sync(free_barrier_, warpgroup_threads);
  }

  /// to[row .. row + 63][head] += sums, or = sums if it `overwrites`; rows beyond the tensor's last are left out.
  /// @param to  of 64 columns, in boxes of `rows` x `box_columns`
  /// @pre the staging memory is free
  __device__ void start_adding(const float (&sums)[columns / 2], const CUtensorMap& to, int row, int head, int b,
                               bool overwrites = false) const {
    const int thread = own_thread();
    const int own_row = thread / 32 * 16 + thread % 32 / 4;
    std::byte* place = staging_ + own_row * row_bytes + thread % 4 * 8;
#pragma unroll
    for (int group = 0; group < columns / 8; ++group) {
      *reinterpret_cast<float2*>(place + group * 32) = float2{sums[4 * group], sums[4 * group + 1]};
      *reinterpret_cast<float2*>(place + group * 32 + 8 * row_bytes) = float2{sums[4 * group + 2], sums[4 * group + 3]};
    }
    ptx::fence_async_proxy();
    // Only the first warp waits for the others.
    if (thread < 32) {
      ptx::barrier_sync(staged_barrier_, warpgroup_threads);
    } else {
      ptx::barrier_arrive(staged_barrier_, warpgroup_threads);
    }
    if (thread == 0) {
      const ptx::SharedAddress from = ptx::shared_address(staging_);
      if (overwrites) {
        ptx::store_tile(&to, from, 0, row, head, b);
      } else {
        ptx::add_tile(&to, from, 0, row, head, b);
      }
      ptx::commit_bulk();
    }
  }

 private:
  static __device__ int own_thread() { return static_cast<int>(threadIdx.x) % warpgroup_threads; }

  std::byte* staging_;
  int staged_barrier_;
  int free_barrier_;
};

}  // namespace ringworld::cuda::hopper
