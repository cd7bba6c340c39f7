#pragma once
/// @file  Forward pass on wgmma, a grid of tiles: a block owns one query tile of one head, and walks over the key tiles
/// that it sees. The tiles run longest first. persistent_forward_kernel.cuh has the other grid. Source: Shah et al.,
/// "FlashAttention-3", arXiv:2407.08608, algorithm 2. Deviation: the running softmax is taken up from memory and left
/// there.

#include <cstdint>

#include "device/cuda/ptx/bulk_copy.cuh"
#include "device/cuda/ptx/named_barrier.cuh"
#include "device/cuda/ptx/registers.cuh"
#include "kernels/attention/cuda/hopper/forward_operands.cuh"
#include "kernels/attention/cuda/hopper/forward_results.cuh"
#include "kernels/attention/cuda/hopper/forward_walk.cuh"

namespace ringworld::cuda::hopper {

/// Everything a block shares.
template <int head_size>
struct ForwardShared {
  ForwardOperands<head_size> operands;
  TileRange tiles;
  std::uint32_t unread;  ///< what a store that never happens would write
};

/// Writes a warpgroup's results by the copy engine, staged over its rows of the queries, which nobody needs any more.
/// @param output  divided by the sums
template <int head_size>
__device__ void write_results(const ForwardArguments& arguments, ForwardOperands<head_size>& operands,
                              const ForwardPlace& place, int consumer, const float (&output)[head_size / 2]) {
  using Queries = typename ForwardTiles<head_size>::Queries;
  const int first_row = consumer * warpgroup_rows;
  const ptx::SharedAddress staged = ptx::shared_address(operands.q) + first_row * Queries::row_bytes;
  std::uint32_t rounded[head_size / 16][4];
  round_to_operand(output, rounded);
  stage_results<head_size>(rounded, staged, Queries::panel_bytes);
  ptx::fence_async_proxy();
  ptx::barrier_sync(first_free_barrier<head_size> + consumer, warpgroup_threads);
  if (threadIdx.x % warpgroup_threads == 0 && place.query_begin + first_row < arguments.mask.query_tokens) {
    start_storing_results<head_size>(arguments, place, first_row, staged, Queries::panel_bytes);
    ptx::wait_bulk_read<0>();  // shared memory ends with the block
  }
}

/// A consumer warpgroup: 64 rows of queries from state to state, or to results.
template <int head_size, bool has_documents, bool overlaps>
__device__ void consume_forward(const ForwardArguments& arguments, ForwardShared<head_size>& shared,
                                const ForwardPlace& place, const TileRange& tiles, int consumer) {
  ForwardWalk<head_size, has_documents, overlaps> walk(arguments, shared.operands, ptx::shared_address(&shared.unread),
                                                       consumer);
  RunningSoftmax softmax;
  float output[head_size / 2];
  load_state(arguments.state, walk.state_place(place), softmax, output);
  walk.run(place, tiles, softmax, output);
  walk.end();
  store_statistics(arguments.state, walk.state_place(place), softmax);
  if (arguments.results.is_wanted()) {
    const float inverse[thread_rows] = {inverse_of_sum(softmax.sum[0]), inverse_of_sum(softmax.sum[1])};
    scale_rows(output, inverse);
    write_results<head_size>(arguments, shared.operands, place, consumer, output);
  } else {
    store_output(arguments.state, walk.state_place(place), output);
  }
}

template <int head_size, bool has_documents, bool overlaps>
__global__ void __launch_bounds__(block_threads<ForwardShape<head_size>>, 1)
    forward_kernel(const __grid_constant__ ForwardArguments arguments) {
  using Shape = ForwardShape<head_size>;
  if (arguments.gate.is_closed()) {
    return;
  }
  auto& shared = *reinterpret_cast<ForwardShared<head_size>*>(ptx::dynamic_shared_memory());

  const ForwardPlace place = forward_place<head_size>(arguments, static_cast<int>(blockIdx.x));
  const int warp = __shfl_sync(all_lanes, static_cast<int>(threadIdx.x) / 32, 0);
  const int warpgroup = warp / 4;
  if (warp == 0) {
    const TileRange tiles = visible_key_tiles<head_size, has_documents, 4>(arguments, place);
    if (threadIdx.x == 0) {
      shared.tiles = tiles;
      ptx::prefetch_tensor_map(&arguments.q);
      ptx::prefetch_tensor_map(&arguments.k);
      ptx::prefetch_tensor_map(&arguments.v);
      shared.operands.initialize(has_documents);
      ptx::fence_barrier_init();
    }
  }
  __syncthreads();
  const TileRange tiles = shared.tiles;
  if (tiles.is_empty()) {
    if (arguments.results.is_wanted()) {
      const int query_end = min(place.query_begin + ForwardTiles<head_size>::queries, arguments.mask.query_tokens);
      write_unchanged(arguments.results, arguments.state, place.b, place.head, place.query_begin, query_end, head_size);
    }
    return;
  }
  if (warpgroup == 0) {
    ptx::lower_registers_to<Shape::producer_registers>();
    if (threadIdx.x == 0) {
      OperandProducer<head_size>(arguments, shared.operands).produce(place, tiles);
    } else if (has_documents && warp == 1) {
      DocumentProducer<head_size>(arguments, shared.operands).produce(place, tiles);
    }
  } else {
    ptx::raise_registers_to<Shape::consumer_registers>();
    consume_forward<head_size, has_documents, overlaps>(arguments, shared, place, tiles, warpgroup - 1);
  }
}

}  // namespace ringworld::cuda::hopper
