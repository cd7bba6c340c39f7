#pragma once
/// @file  Forward pass on wgmma, a persistent grid: as many blocks as run at once, each of which takes one query tile
/// after the other, in the order of the grid of tiles (block_order.cuh). Source: Shah et al., "FlashAttention-3",
/// arXiv:2407.08608, section 3.1; the tile scheduler of its published code. Deviations: the running softmax is taken up
/// from memory and left there; its output goes both ways through one buffer.
///
///   warp 0   operands   copies queries, keys and values; those of the next tile as soon as stages are free
///   warp 1   documents  brings ids, where there are any
///   warp 2   clerk      stores the output of the last tile, then loads the state of the next (state_exchange.cuh)
///   warp 3   draws      tiles (tile_queue.cuh)
///   others   consumers  walk over the keys (forward_walk.cuh), exchange states with the clerk between tiles
///
/// A tile is drawn when the one before it begins, no sooner: blocks that are slower than others get fewer tiles.

#include <cstdint>

#include "device/cuda/ptx/registers.cuh"
#include "kernels/attention/cuda/hopper/forward_operands.cuh"
#include "kernels/attention/cuda/hopper/forward_walk.cuh"
#include "kernels/attention/cuda/hopper/state_exchange.cuh"
#include "kernels/attention/cuda/hopper/tile_queue.cuh"

namespace ringworld::cuda::hopper {

/// Everything a block shares.
template <int head_size, bool has_documents>
struct PersistentForwardShared {
  /// The operands' warp, that of the documents, the clerk, and the consumers.
  static constexpr int readers = 1 + (has_documents ? 1 : 0) + 1 + 4 * ForwardShape<head_size>::consumers;

  StateBuffers<head_size> buffers;
  ForwardOperands<head_size> operands;  // aligned, since the buffers are whole panels
  StateSignals<head_size> signals;
  TileQueue<readers> queue;
  std::uint32_t unread;  ///< what a store that never happens would write
};

/// The third producer warp, the clerk.
template <int head_size, bool has_documents>
__device__ void keep_states(const ForwardArguments& arguments,
                            PersistentForwardShared<head_size, has_documents>& shared) {
  constexpr int consumers = ForwardShape<head_size>::consumers;
  auto& queue = shared.queue;
  StateExchange<head_size> states(shared.buffers, shared.signals);
  PipelinePlace<2> at;
  bool has_ended = false;
  for (int number = 0;; ++number) {
    if (number > 0) {
      // Exchange number - 1 left the output of tile number - 2, whose entry of the queue tile `number` waits for.
#pragma unroll 1
      for (int consumer = 0; consumer < consumers; ++consumer) {
        states.wait_exchanged(consumer, number - 1);
        if (number > 1) {
          states.start_storing(arguments, queue.work[at.stage].place, consumer);
        }
      }
      if (number > 1) {
        queue.pipeline.release(at);
      }
    }
    if (has_ended) {
      break;
    }
    queue.pipeline.wait_full(at);
    has_ended = queue.work[at.stage].is_end();
    ptx::wait_bulk_read<0>();
    __syncwarp();
#pragma unroll 1
    for (int consumer = 0; consumer < consumers; ++consumer) {
      if (has_ended) {
        states.leave_free(consumer);
      } else {
        states.start_loading(arguments, queue.work[at.stage].place, consumer);
      }
    }
    at.advance();
  }
  ptx::wait_bulk_read<0>();  // shared memory ends with the block
}

/// A consumer warpgroup: 64 rows of queries from state to state, or to results, tile after tile.
template <int head_size, bool has_documents, bool overlaps>
__device__ void consume_tiles(const ForwardArguments& arguments,
                              PersistentForwardShared<head_size, has_documents>& shared, int consumer) {
  ForwardWalk<head_size, has_documents, overlaps> walk(arguments, shared.operands, ptx::shared_address(&shared.unread),
                                                       consumer);
  StateExchange<head_size> states(shared.buffers, shared.signals);
  RunningSoftmax softmax;
  float output[head_size / 2];
#pragma unroll
  for (float& value : output) {
    value = 0.0F;
  }
  PipelinePlace<2> at;
  for (int number = 0;; ++number) {
    const TileWork work = shared.queue.take(at);
    states.exchange(consumer, number, walk.own_column(), arguments.results.is_wanted(), softmax, output);
    if (work.is_end()) {
      break;
    }
    if (!work.tiles.is_empty()) {
      walk.run(work.place, work.tiles, softmax, output);
    }
    store_statistics(arguments.state, walk.state_place(work.place), softmax);
    if (arguments.results.is_wanted()) {
      const float inverse[thread_rows] = {inverse_of_sum(softmax.sum[0]), inverse_of_sum(softmax.sum[1])};
      scale_rows(output, inverse);
    }
  }
  walk.end();
}

template <int head_size, bool has_documents, bool overlaps>
__global__ void __launch_bounds__(block_threads<ForwardShape<head_size>>, 1)
    persistent_forward_kernel(const __grid_constant__ ForwardArguments arguments) {
  using Shape = ForwardShape<head_size>;
  if (arguments.gate.is_closed()) {
    return;
  }
  auto& shared = *reinterpret_cast<PersistentForwardShared<head_size, has_documents>*>(ptx::dynamic_shared_memory());
  const int warp = __shfl_sync(all_lanes, static_cast<int>(threadIdx.x) / 32, 0);
  if (threadIdx.x == 0) {
    ptx::prefetch_tensor_map(&arguments.q);
    ptx::prefetch_tensor_map(&arguments.k);
    ptx::prefetch_tensor_map(&arguments.v);
    shared.operands.initialize(has_documents);
    shared.signals.initialize();
    shared.queue.initialize();
    ptx::fence_barrier_init();
  }
  __syncthreads();
  if (warp >= 4) {
    ptx::raise_registers_to<Shape::consumer_registers>();
    consume_tiles<head_size, has_documents, overlaps>(arguments, shared, warp / 4 - 1);
    return;
  }
  ptx::lower_registers_to<Shape::producer_registers>();
  if (threadIdx.x == 0) {
    OperandProducer<head_size> producer(arguments, shared.operands);
    PipelinePlace<2> at;
    for (TileWork work = shared.queue.take_alone(at); !work.is_end(); work = shared.queue.take_alone(at)) {
      producer.produce(work.place, work.tiles);
    }
  } else if (has_documents && warp == 1) {
    DocumentProducer<head_size> producer(arguments, shared.operands);
    PipelinePlace<2> at;
    for (TileWork work = shared.queue.take(at); !work.is_end(); work = shared.queue.take(at)) {
      producer.produce(work.place, work.tiles);
    }
  } else if (warp == 2) {
    keep_states<head_size, has_documents>(arguments, shared);
  } else if (warp == 3) {
    TileDraw<head_size, has_documents> draw(arguments);
    PipelinePlace<2> at;
    while (shared.queue.put_next(at, draw)) {
    }
  }
}

}  // namespace ringworld::cuda::hopper
