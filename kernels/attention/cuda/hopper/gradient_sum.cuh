#pragma once
/// @file  Adds fp32 fragments to a tensor in device memory by the copy engine: no thread waits for memory, and several
/// blocks may add to the same rows.
/// Source: PTX ISA, "cp.reduce.async.bulk.tensor", operation .add.
///
/// A warpgroup stages 64 rows x 64 columns as two panels of 32 columns: rows of 128 bytes, swizzled in chunks of 16
/// bytes as the bf16 panels are. A warp's store of two columns of eight rows at once then meets eight banks too few: a
/// half warp writes rows r to r + 3, whose chunks pair up. Odd rows therefore write the eight columns two groups
/// further at the same time, which sends the four rows to four pairs of chunks:
///
///   group written   even rows  i        pair of chunks  i XOR (r / 2 mod 4)
///                   odd rows   i XOR 2

#include <cuda.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "device/cuda/ptx/bulk_copy.cuh"
#include "device/cuda/ptx/named_barrier.cuh"
#include "kernels/attention/cuda/hopper/shapes.hpp"
#include "kernels/attention/cuda/hopper/swizzled_tile.cuh"

namespace ringworld::cuda::hopper {

/// The staging memory of one warpgroup, and its position in the fragment.
class GradientSum {
 public:
  static constexpr int rows = warpgroup_rows;
  static constexpr int columns = 64;
  static constexpr int panel_columns = 32;
  static constexpr int panel_bytes = rows * panel_columns * static_cast<int>(sizeof(float));
  /// Two, since warps that only arrive at the one may come to the other before the first warp does.
  static constexpr int barriers = 2;
  static constexpr int bytes = columns / panel_columns * panel_bytes;

  /// @param staging  `bytes` of shared memory, aligned to panel_alignment
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

  /// to[row .. row + 63][head][column .. column + 63] += sums, or = sums if it `overwrites`; rows beyond the tensor's last are left out.
  /// @param sums  fragment of 64 x 64, destroyed
  /// @pre the staging memory is free
  __device__ void start_adding(float (&sums)[columns / 2], const CUtensorMap& to, int row, int column, int head, int b,
                               bool overwrites = false) const {
    const int thread = own_thread();
    const int own_row = thread / 32 * 16 + thread % 32 / 4;
    const bool is_odd = own_row % 2 != 0;
    const int chunk_of_row = own_row % 8;
#pragma unroll
    for (int group = 0; group < columns / 8; ++group) {
      // Groups i and i XOR 2 change places in odd rows.
      if ((group & 2) == 0) {
#pragma unroll
        for (int at = 0; at < 4; ++at) {
          const float low = sums[4 * group + at];
          const float high = sums[4 * (group ^ 2) + at];
          sums[4 * group + at] = is_odd ? high : low;
          sums[4 * (group ^ 2) + at] = is_odd ? low : high;
        }
      }
    }
#pragma unroll
    for (int group = 0; group < columns / 8; ++group) {
      const int written = group ^ (is_odd ? 2 : 0);
      const int chunk = (written % 4 * 2 + thread % 4 / 2) ^ chunk_of_row;
      std::byte* place = staging_ + group / 4 * panel_bytes + own_row * 128 + chunk * 16 + thread % 2 * 8;
      *reinterpret_cast<float2*>(place) = float2{sums[4 * group], sums[4 * group + 1]};
      *reinterpret_cast<float2*>(place + 8 * 128) = float2{sums[4 * group + 2], sums[4 * group + 3]};
    }
    ptx::fence_async_proxy();
    // Only the first warp waits for the others.
    if (thread < 32) {
      ptx::barrier_sync(staged_barrier_, warpgroup_threads);
    } else {
      ptx::barrier_arrive(staged_barrier_, warpgroup_threads);
    }
    if (thread == 0) {
#pragma unroll
      for (int panel = 0; panel < columns / panel_columns; ++panel) {
        const ptx::SharedAddress from = ptx::shared_address(staging_) + panel * panel_bytes;
        if (overwrites) {
          ptx::store_tile(&to, from, column + panel * panel_columns, row, head, b);
        } else {
          ptx::add_tile(&to, from, column + panel * panel_columns, row, head, b);
        }
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
