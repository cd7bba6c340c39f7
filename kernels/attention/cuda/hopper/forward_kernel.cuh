#pragma once
/// @file  Forward pass on wgmma: a block owns one query tile of one head, and walks over the key tiles it sees.
/// Source: Shah et al., "FlashAttention-3", arXiv:2407.08608, algorithm 2 and section 3.2. Deviations: the running
/// softmax is taken up from memory and left there, and the tiles run longest first instead of under a persistent grid.
///
///   producer warp     K0 K1    V0 K2    V1 K3    V2 ...         bulk copies into stages; K runs ahead by one
///
///   warpgroup 0       S1 O0 | softmax 1 | S2 O1 | softmax 2 |   S = Q K^T and O += P V run on the tensor cores ...
///   warpgroup 1             | S1 O0 | softmax 1 | S2 O1 |       ... while the others, whose turn it is not, do softmax
///
/// Within a warpgroup too, S of the next tile and O of the last run while the weights between them are computed: O of
/// the last tile under the softmax of this one if `overlaps` says so. That is a parameter so that a GPU can judge;
/// without it the assembler waits for O before the exponentials. Keys are walked from the end, so that the tiles that
/// the diagonal cuts come first. Weights stay in registers: a fragment of sums, rounded to bf16, is a fragment of A.

#include <cstddef>
#include <cstdint>

#include "device/cuda/ptx/bulk_copy.cuh"
#include "device/cuda/ptx/matrix_copy.cuh"
#include "device/cuda/ptx/named_barrier.cuh"
#include "device/cuda/ptx/order.cuh"
#include "device/cuda/ptx/registers.cuh"
#include "kernels/attention/cuda/hopper/forward.cuh"
#include "kernels/attention/cuda/hopper/fragment_mask.cuh"
#include "kernels/attention/cuda/hopper/online_softmax.cuh"
#include "kernels/attention/cuda/hopper/pipeline.cuh"
#include "kernels/attention/cuda/hopper/tile_copy.cuh"
#include "kernels/attention/cuda/hopper/warpgroup_products.cuh"

namespace ringworld::cuda::hopper {

template <int head_size>
struct ForwardTiles {
  using Shape = ForwardShape<head_size>;
  static constexpr int queries = consumer_rows<Shape>;
  using Queries = SwizzledTile<queries, head_size>;
  using Keys = SwizzledTile<Shape::keys, head_size>;
};

/// Everything a block shares.
template <int head_size>
struct ForwardShared {
  using Tiles = ForwardTiles<head_size>;
  static constexpr int stages = ForwardShape<head_size>::stages;

  alignas(panel_alignment) std::byte q[Tiles::Queries::bytes];
  alignas(panel_alignment) std::byte k[stages][Tiles::Keys::bytes];
  alignas(panel_alignment) std::byte v[stages][Tiles::Keys::bytes];
  std::int32_t query_documents[Tiles::queries];
  alignas(16) std::int32_t key_documents[stages][ForwardShape<head_size>::keys];
  std::uint64_t q_full;
  Pipeline<stages> k_pipeline;  ///< of k and its documents
  Pipeline<stages> v_pipeline;
  TileRange tiles;
  std::uint32_t unread;  ///< what a store that never happens would write
};

/// What a block works on.
struct ForwardPlace {
  int b;
  int head;
  int kv_head;
  int query_begin;
};

/// The key tiles that a query tile sees. Called by a whole warp.
template <int head_size, bool has_documents>
__device__ TileRange visible_key_tiles(const ForwardArguments& arguments, const ForwardPlace& place) {
  constexpr int keys = ForwardShape<head_size>::keys;
  constexpr int queries = ForwardTiles<head_size>::queries;
  const TileMask& mask = arguments.mask;
  const int last_query = min(place.query_begin + queries, mask.query_tokens) - 1;
  const int visible_keys = max(0, min(mask.key_tokens, last_query + mask.diagonal + 1));
  const TileRange below_diagonal{.begin = 0, .end = (visible_keys + keys - 1) / keys};
  if constexpr (has_documents) {
    const DocumentSummary own = arguments.query_documents.of_tokens(place.b, place.query_begin, queries);
    return overlapping_tiles(own, arguments.key_documents, place.b, keys, below_diagonal);
  } else {
    return below_diagonal;
  }
}

/// The first producer warp: one thread starts all copies, in the order in which the consumers release the stages.
template <int head_size>
__device__ void produce_forward(const ForwardArguments& arguments, ForwardShared<head_size>& shared,
                                const ForwardPlace& place, const TileRange& tiles) {
  using Tiles = ForwardTiles<head_size>;
  constexpr int keys = ForwardShape<head_size>::keys;
  constexpr int stages = ForwardShape<head_size>::stages;
  PipelinePlace<stages> k_place;
  PipelinePlace<stages> v_place;
  const auto copy = [&](std::byte(&to)[stages][Tiles::Keys::bytes], Pipeline<stages>& pipeline,
                        PipelinePlace<stages>& at, const CUtensorMap& map, int tile) {
    pipeline.wait_empty(at);
    const ptx::SharedAddress full = ptx::shared_address(&pipeline.full[at.stage]);
    ptx::arrive_expecting(full, Tiles::Keys::bytes);
    start_tile_copy<typename Tiles::Keys>(to[at.stage], map, full, tile * keys, place.kv_head, place.b);
    at.advance();
  };
  ptx::arrive_expecting(ptx::shared_address(&shared.q_full), Tiles::Queries::bytes);
  start_tile_copy<typename Tiles::Queries>(shared.q, arguments.q, ptx::shared_address(&shared.q_full),
                                           place.query_begin, place.head, place.b);
  copy(shared.k, shared.k_pipeline, k_place, arguments.k, tiles.end - 1);
  for (int tile = tiles.end - 2; tile >= tiles.begin; --tile) {
    copy(shared.k, shared.k_pipeline, k_place, arguments.k, tile);
    copy(shared.v, shared.v_pipeline, v_place, arguments.v, tile + 1);
  }
  copy(shared.v, shared.v_pipeline, v_place, arguments.v, tiles.begin);
}

/// The second producer warp, where there are documents: brings their ids.
template <int head_size>
__device__ void produce_key_documents(const ForwardArguments& arguments, ForwardShared<head_size>& shared,
                                      const ForwardPlace& place, const TileRange& tiles) {
  constexpr int keys = ForwardShape<head_size>::keys;
  PipelinePlace<ForwardShape<head_size>::stages> at;
  for (int tile = tiles.end - 1; tile >= tiles.begin; --tile) {
    shared.k_pipeline.wait_empty(at);
    copy_documents(shared.key_documents[at.stage], arguments.mask.keys, place.b, tile * keys,
                   arguments.mask.key_tokens);
    ptx::arrive(ptx::shared_address(&shared.k_pipeline.full[at.stage]));
    at.advance();
  }
}

/// The warpgroups' turns on the tensor cores: each waits for its named barrier, and the one before it arrives there.
template <int consumers>
class Turn {
 public:
  __device__ explicit Turn(int consumer) : consumer_(consumer) {}

  __device__ void wait() const { ptx::barrier_sync(first_barrier + consumer_, threads); }
  __device__ void pass_on() const {
    ptx::barrier_arrive(first_barrier + (consumer_ + 1 == consumers ? 0 : consumer_ + 1), threads);
  }

 private:
  static constexpr int first_barrier = 1;  // 0 is __syncthreads
  static constexpr int threads = 2 * warpgroup_threads;
  int consumer_;
};

/// Writes a warpgroup's results by the copy engine, staged over its rows of the queries, which nobody needs any more.
/// @param output  divided by the sums
template <int head_size>
__device__ void write_results(const ForwardArguments& arguments, ForwardShared<head_size>& shared,
                              const ForwardPlace& place, int consumer, const float (&output)[head_size / 2]) {
  using Queries = typename ForwardTiles<head_size>::Queries;
  using Shape = ForwardShape<head_size>;
  const int thread = static_cast<int>(threadIdx.x) % warpgroup_threads;
  const int first_row = consumer * warpgroup_rows;
  std::uint32_t rounded[head_size / 16][4];
  round_to_operand(output, rounded);
  // Of a 16 x 16 fragment threads 0-7 give the rows of the upper left matrix, 8-15 lower left, 16-23 upper right and
  // 24-31 lower right.
  const int row = thread / 32 * 16 + thread % 16;
  const ptx::SharedAddress staged = ptx::shared_address(shared.q) + first_row * Queries::row_bytes;
#pragma unroll
  for (int step = 0; step < head_size / 16; ++step) {
    const int chunk = 2 * step + thread % 32 / 16;
    ptx::store_matrices(
        staged + chunk / 8 * Queries::panel_bytes + row * Queries::row_bytes + (chunk % 8 ^ row % 8) * 16,
        rounded[step]);
  }
  ptx::fence_async_proxy();
  ptx::barrier_sync(1 + Shape::consumers + consumer, warpgroup_threads);  // behind the barriers of the turns
  if (thread == 0 && place.query_begin + first_row < arguments.mask.query_tokens) {
#pragma unroll
    for (int panel = 0; panel < Queries::panels; ++panel) {
      ptx::store_tile(&arguments.out, staged + panel * Queries::panel_bytes, panel * Queries::panel_columns,
                      place.query_begin + first_row, place.head, place.b);
    }
    ptx::commit_bulk();
    ptx::wait_bulk_read<0>();  // shared memory ends with the block
  }
}

/// A consumer warpgroup: 64 rows of queries from state to state, or to results.
template <int head_size, bool has_documents, bool overlaps>
__device__ void consume_forward(const ForwardArguments& arguments, ForwardShared<head_size>& shared,
                                const ForwardPlace& place, const TileRange& tiles, int consumer) {
  using Tiles = ForwardTiles<head_size>;
  using Shape = ForwardShape<head_size>;
  constexpr int keys = Shape::keys;
  const int thread = static_cast<int>(threadIdx.x) % warpgroup_threads;
  const int first_query = place.query_begin + consumer * warpgroup_rows;
  const int row = first_query + thread / 32 * 16 + thread % 32 / 4;
  const int column = thread % 4 * 2;
  const StatePlace state_place{
      .b = place.b, .head = place.head, .row = row, .column = column, .tokens = arguments.mask.query_tokens};
  const typename Tiles::Queries q{ptx::shared_address(shared.q)};
  const auto k_tile = [&](int stage) { return typename Tiles::Keys{ptx::shared_address(shared.k[stage])}; };
  const auto v_tile = [&](int stage) { return typename Tiles::Keys{ptx::shared_address(shared.v[stage])}; };
  const TileMask& mask = arguments.mask;
  // Hides what the mask hides in the scores of a tile. Tiles that the diagonal leaves whole cost a comparison.
  const auto apply_mask = [&](float(&of_tile)[keys / 2], int tile, int stage) {
    const int key_end = (tile + 1) * keys;
    if (key_end > mask.key_end(first_query)) {
      hide_keys_beyond(of_tile, {.row = row, .column = tile * keys + column}, mask);
    }
    if constexpr (has_documents) {
      hide_strangers(of_tile, &shared.query_documents[row - place.query_begin], &shared.key_documents[stage][column]);
    }
  };
  const Turn<Shape::consumers> turn(consumer);

  RunningSoftmax softmax;
  float output[head_size / 2];
  float scores[keys / 2];
  std::uint32_t weights[keys / 16][4];
  float factor[thread_rows];
  PipelinePlace<Shape::stages> k_place;
  PipelinePlace<Shape::stages> v_place;

  load_state(arguments.state, state_place, softmax, output);
  ptx::wait(ptx::shared_address(&shared.q_full), 0);
  int tile = tiles.end - 1;
  shared.k_pipeline.wait_full(k_place);
  start_product_of_rows<keys>(scores, q, consumer * warpgroup_rows, k_tile(k_place.stage));
  finish_product<0>(scores);
  apply_mask(scores, tile, k_place.stage);
  shared.k_pipeline.release(k_place);
  k_place.advance();
  softmax.fold(scores, arguments.scale, factor);
  scale_rows(output, factor);
  round_to_operand(scores, weights);

  // The first turn is warpgroup 0's, and nobody waits for the one after the last.
  bool has_turn = consumer == 0;
  for (--tile; tile >= tiles.begin; --tile) {
    shared.k_pipeline.wait_full(k_place);
    if (!has_turn) {
      turn.wait();
    }
    has_turn = false;
    start_product_of_rows<keys>(scores, q, consumer * warpgroup_rows, k_tile(k_place.stage));
    shared.v_pipeline.wait_full(v_place);
    start_weighted_sum<head_size>(output, weights, v_tile(v_place.stage));
    if (consumer + 1 < Shape::consumers || tile > tiles.begin) {
      turn.pass_on();
    }
    finish_product<1>(scores);
    apply_mask(scores, tile, k_place.stage);
    shared.k_pipeline.release(k_place);
    k_place.advance();
    softmax.fold(scores, arguments.scale, factor);
    if constexpr (overlaps) {
      for (const float sum : softmax.sum) {
        ptx::compute_before_next_wait(sum, ptx::shared_address(&shared.unread));
      }
    }
    finish_product<0>(output);
    shared.v_pipeline.release(v_place);
    v_place.advance();
    // Later tiles seldom raise a maximum: a vote in place of a multiplication by one for every output.
    if (__any_sync(all_lanes, factor[0] != 1.0F || factor[1] != 1.0F)) {
      scale_rows(output, factor);
    }
    round_to_operand(scores, weights);
  }
  shared.v_pipeline.wait_full(v_place);
  start_weighted_sum<head_size>(output, weights, v_tile(v_place.stage));
  finish_product<0>(output);
  store_statistics(arguments.state, state_place, softmax);
  if (arguments.results.is_wanted()) {
    const float inverse[thread_rows] = {inverse_of_sum(softmax.sum[0]), inverse_of_sum(softmax.sum[1])};
    scale_rows(output, inverse);
    write_results<head_size>(arguments, shared, place, consumer, output);
  } else {
    store_output(arguments.state, state_place, output);
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

  const BlockOrder::Place in_order = arguments.order.place_of(static_cast<int>(blockIdx.x));
  // Under a causal mask the last queries see the most keys.
  const ForwardPlace place{
      .b = in_order.head / arguments.heads,
      .head = in_order.head % arguments.heads,
      .kv_head = in_order.head % arguments.heads / arguments.heads_per_kv_head,
      .query_begin = (arguments.order.tiles - 1 - in_order.rank) * ForwardTiles<head_size>::queries};
  const int warp = __shfl_sync(all_lanes, static_cast<int>(threadIdx.x) / 32, 0);
  const int warpgroup = warp / 4;
  if (warp == 0) {
    const TileRange tiles = visible_key_tiles<head_size, has_documents>(arguments, place);
    if constexpr (has_documents) {
      copy_documents(shared.query_documents, arguments.mask.queries, place.b, place.query_begin,
                     arguments.mask.query_tokens);
    }
    if (threadIdx.x == 0) {
      shared.tiles = tiles;
      ptx::prefetch_tensor_map(&arguments.q);
      ptx::prefetch_tensor_map(&arguments.k);
      ptx::prefetch_tensor_map(&arguments.v);
      ptx::init_barrier(ptx::shared_address(&shared.q_full), 1);
      shared.k_pipeline.initialize(has_documents ? 1 + 32 : 1, 4 * Shape::consumers);
      shared.v_pipeline.initialize(1, 4 * Shape::consumers);
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
      produce_forward<head_size>(arguments, shared, place, tiles);
    } else if (has_documents && warp == 1) {
      produce_key_documents<head_size>(arguments, shared, place, tiles);
    }
  } else {
    ptx::raise_registers_to<Shape::consumer_registers>();
    consume_forward<head_size, has_documents, overlaps>(arguments, shared, place, tiles, warpgroup - 1);
  }
}

}  // namespace ringworld::cuda::hopper
