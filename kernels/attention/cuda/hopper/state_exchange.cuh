#pragma once
/// @file  Shared memory through which the running state of one query tile leaves a persistent block while that of the
/// next comes in.
///
///                    tile n                 between tiles                    tile n + 1
///   clerk warp       loads state n + 1                       stores output n, then loads state n + 2
///   warpgroup        products               exchange         products
///
/// A warpgroup has one buffer, as large as the output of its 64 queries in fp32, and changes its output for what lies
/// there, number by number: each thread reads and writes the same places, so one buffer serves both directions. Copies
/// in and out are the copy engine's. Results in bf16 take the first half of the buffer. Maxima and sums come by
/// ordinary loads of the clerk, for they may lie at any address, and leave by ordinary stores of the consumers.
///
/// The clerk arrives at `full` when the buffer holds the next state, or is free after the last; the warps of the
/// warpgroup arrive at `exchanged`. The phases of both alternate with the query tiles of the block.
///
/// The buffer is made of panels of 32 columns, swizzled as the copy engine does. A half warp reaches four rows of 32
/// bytes, two of which share their banks: 64 KiB in and out of shared memory take some 1000 cycles a query tile in
/// place of 512, beside products of other warpgroups.

#include <cstddef>
#include <cstdint>

#include "device/cuda/ptx/bulk_copy.cuh"
#include "device/cuda/ptx/mbarrier.cuh"
#include "kernels/attention/cuda/hopper/forward_results.cuh"

namespace ringworld::cuda::hopper {

/// Of fp32 output: panels of 64 rows.
struct StatePanel {
  static constexpr int columns = 32;
  static constexpr int row_bytes = columns * static_cast<int>(sizeof(float));
  static constexpr int bytes = warpgroup_rows * row_bytes;
};

/// The buffers, in shared memory, one for each warpgroup.
template <int head_size>
struct StateBuffers {
  static constexpr int panels = head_size / StatePanel::columns;
  static constexpr int bytes = panels * StatePanel::bytes;

  alignas(panel_alignment) std::byte output[ForwardShape<head_size>::consumers][bytes];
};

/// What else lies in shared memory. Apart from the buffers, whose alignment would round it up.
template <int head_size>
struct StateSignals {
  using Shape = ForwardShape<head_size>;

  float maximum[consumer_rows<Shape>];
  float sum[consumer_rows<Shape>];
  std::uint64_t full[Shape::consumers];
  std::uint64_t exchanged[Shape::consumers];

  /// Called by one thread, before the block's first barrier.
  __device__ void initialize() {
    for (int consumer = 0; consumer < Shape::consumers; ++consumer) {
      ptx::init_barrier(ptx::shared_address(&full[consumer]), 1);
      ptx::init_barrier(ptx::shared_address(&exchanged[consumer]), 4);
    }
  }
};

template <int head_size>
class StateExchange {
 public:
  __device__ StateExchange(StateBuffers<head_size>& buffers, StateSignals<head_size>& signals)
      : buffers_(buffers), signals_(signals) {}

  // The clerk's side; called by a whole warp.

  /// Waits until a warpgroup has left its output in exchange number `number`.
  __device__ void wait_exchanged(int consumer, int number) {
    ptx::wait(ptx::shared_address(&signals_.exchanged[consumer]), static_cast<std::uint32_t>(number) % 2);
  }

  /// Starts to store what a warpgroup has left. The buffer is free after ptx::wait_bulk_read by the first lane.
  __device__ void start_storing(const ForwardArguments& arguments, const ForwardPlace& place, int consumer) {
    const int first_row = consumer * warpgroup_rows;
    if (threadIdx.x % 32 != 0 || place.query_begin + first_row >= arguments.mask.query_tokens) {
      return;
    }
    const ptx::SharedAddress from = ptx::shared_address(buffers_.output[consumer]);
    if (arguments.results.is_wanted()) {
      start_storing_results<head_size>(arguments, place, first_row, from, StatePanel::bytes);
    } else {
#pragma unroll
      for (int panel = 0; panel < StateBuffers<head_size>::panels; ++panel) {
        ptx::store_tile(&arguments.state_output, from + panel * StatePanel::bytes, panel * StatePanel::columns,
                        place.query_begin + first_row, place.head, place.b);
      }
      ptx::commit_bulk();
    }
  }

  /// Brings a warpgroup's next state. Output that nobody need read, of a first ring step, is not copied.
  __device__ void start_loading(const ForwardArguments& arguments, const ForwardPlace& place, int consumer) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    bool has_output = false;
#pragma unroll 1
    for (int row = consumer * warpgroup_rows + lane; row < (consumer + 1) * warpgroup_rows; row += 32) {
      const int token = place.query_begin + row;
      float of_row[2] = {minus_infinity, 0.0F};
      if (token < arguments.mask.query_tokens) {
        of_row[0] = arguments.state.maximum.at(place.b, place.head, token);
        of_row[1] = arguments.state.sum.at(place.b, place.head, token);
      }
      signals_.maximum[row] = of_row[0];
      signals_.sum[row] = of_row[1];
      has_output = has_output || of_row[0] != minus_infinity;
    }
    has_output = __any_sync(all_lanes, has_output);
    const ptx::SharedAddress barrier = ptx::shared_address(&signals_.full[consumer]);
    if (lane == 0 && has_output) {
      ptx::arrive_expecting(barrier, StateBuffers<head_size>::bytes);
#pragma unroll
      for (int panel = 0; panel < StateBuffers<head_size>::panels; ++panel) {
        ptx::load_tile(ptx::CacheHint::normal,
                       ptx::shared_address(buffers_.output[consumer]) + panel * StatePanel::bytes,
                       &arguments.state_output, barrier, panel * StatePanel::columns,
                       place.query_begin + consumer * warpgroup_rows, place.head, place.b);
      }
    } else if (lane == 0) {
      ptx::arrive(barrier);
    }
  }

  /// Says that no state comes, and that the buffer is free.
  __device__ void leave_free(int consumer) {
    if (threadIdx.x % 32 == 0) {
      ptx::arrive(ptx::shared_address(&signals_.full[consumer]));
    }
  }

  // The consumers' side; called by a whole warpgroup.

  /// Leaves one state, which was scaled if results are wanted, and takes the next up. The first exchange leaves what
  /// nobody stores, the last one takes up what nobody uses.
  /// @param column  the thread's first in a state: the first thread of a quad holds the sum
  __device__ void exchange(int consumer, int number, int column, bool wants_results, RunningSoftmax& softmax,
                           float (&values)[head_size / 2]) {
    const int thread = static_cast<int>(threadIdx.x) % warpgroup_threads;
    const int row = thread / 32 * 16 + thread % 32 / 4;
    ptx::wait(ptx::shared_address(&signals_.full[consumer]), static_cast<std::uint32_t>(number) % 2);
#pragma unroll
    for (int index = 0; index < thread_rows; ++index) {
      softmax.maximum[index] = signals_.maximum[consumer * warpgroup_rows + row + 8 * index];
      softmax.sum[index] = column == 0 ? signals_.sum[consumer * warpgroup_rows + row + 8 * index] : 0.0F;
    }
    // Chunk c of 16 bytes lies at c XOR (row mod 8): of the thread's two columns in every eight, at that of the first
    // eight XOR 2 eight.
    const int first = row * StatePanel::row_bytes + ((thread % 4 / 2) ^ (row % 8)) * 16 + thread % 2 * 8;
    const auto pair_at = [&](int eight, int index) {
      return reinterpret_cast<float2*>(buffers_.output[consumer] + eight / 4 * StatePanel::bytes +
                                       index * 8 * StatePanel::row_bytes + (first ^ (eight % 4 * 32)));
    };
    if (wants_results) {
      std::uint32_t rounded[head_size / 16][4];
      round_to_operand(values, rounded);
#pragma unroll
      for (int at = 0; at < head_size / 2; at += 2) {
        const float2 pair = *pair_at(at / 4, at / 2 % 2);
        values[at] = pair.x;
        values[at + 1] = pair.y;
      }
      __syncwarp();  // a warp's results take the place of no other rows than its own
      stage_results<head_size>(rounded, ptx::shared_address(buffers_.output[consumer]), StatePanel::bytes);
    } else {
#pragma unroll
      for (int at = 0; at < head_size / 2; at += 2) {
        float2* pair = pair_at(at / 4, at / 2 % 2);
        const float2 next = *pair;
        *pair = {values[at], values[at + 1]};
        values[at] = next.x;
        values[at + 1] = next.y;
      }
    }
#pragma unroll
    for (int at = 0; at < head_size / 2; ++at) {
      values[at] = softmax.maximum[at / 2 % 2] == minus_infinity ? 0.0F : values[at];
    }
    ptx::fence_async_proxy();
    __syncwarp();
    if (thread % 32 == 0) {
      ptx::arrive(ptx::shared_address(&signals_.exchanged[consumer]));
    }
  }

 private:
  StateBuffers<head_size>& buffers_;
  StateSignals<head_size>& signals_;
};

}  // namespace ringworld::cuda::hopper
