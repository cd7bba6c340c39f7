#pragma once
/// @file  Backward pass on wgmma: a block owns one key tile of one query head, and walks over the query tiles that see
/// it. dk and dv gather in registers; dq is added to memory tile by tile, by the copy engine.
/// Source: Dao, "FlashAttention-2", arXiv:2307.08691, algorithm 2; Shah et al., "FlashAttention-3", arXiv:2407.08608,
/// appendix B.1. Deviations: S and dP of a warpgroup's own 64 keys are computed transposed, so that the weights are the
/// A operands of dV and dK as they come out of the registers, and only dS goes through shared memory; the sums of dq go
/// straight to their place in (B, T, H, D); there is no extra warp for them.
///
///   tensor cores  | dQ' = dS' K, S = K Q^T | dP = V dO^T     | dV += P^T dO   | dK += dS^T Q          |    ' = of the
///   warpgroup     | (waits)    dQ' staged  | P = e^(S - m)/l | dS = P (dP - D)| dS to memory, meeting |    last tile
///
/// dS is made of dP times the scale less D times the scale, one multiply-add, so that neither dQ nor dK need it after.
///
/// So while a product runs, the numbers of the next are made. The two warpgroups meet once a step, when each has
/// written its dS of a tile: dQ sums over the keys of both. dS has stages too, and a warpgroup is at most a step ahead,
/// so that one meeting is enough.
///
/// A step of D = 128, 128 keys and 64 queries is 10.5 MFLOP, 2560 cycles of an SM's tensor cores at peak. In that time
/// shared memory works for 2944: products read it for 2048, copies, dS and dQ take the rest. Device memory (mostly the
/// cache) gives 32 KiB of q and dout and takes 32 KiB of dq.

#include <cstddef>
#include <cstdint>
#include <limits>

#include "device/cuda/ptx/bulk_copy.cuh"
#include "device/cuda/ptx/matrix_copy.cuh"
#include "device/cuda/ptx/named_barrier.cuh"
#include "device/cuda/ptx/registers.cuh"
#include "kernels/attention/cuda/hopper/backward.cuh"
#include "kernels/attention/cuda/hopper/fragment_mask.cuh"
#include "kernels/attention/cuda/hopper/gradient_sum.cuh"
#include "kernels/attention/cuda/hopper/online_softmax.cuh"
#include "kernels/attention/cuda/hopper/pipeline.cuh"
#include "kernels/attention/cuda/hopper/tile_copy.cuh"
#include "kernels/attention/cuda/hopper/warpgroup_products.cuh"

namespace ringworld::cuda::hopper {

template <int head_size>
struct BackwardTiles {
  using Shape = BackwardShape<head_size>;
  static constexpr int keys = consumer_rows<Shape>;
  using Keys = SwizzledTile<keys, head_size>;
  using Queries = SwizzledTile<Shape::queries, head_size>;
  using Scores = SwizzledTile<keys, Shape::queries>;  ///< dS^T
};

/// What a block works on.
struct BackwardPlace {
  int b;
  int head;
  int kv_head;
  int key_begin;
};

/// The order in which a block walks over its query tiles: from one of them to the last, and from the first to that one.
/// Blocks of a head run side by side and add to the same dq: each starts at another tile. With documents they do so
/// already, and their producer has no register to spare.
template <bool has_documents>
struct TileWalk {
  int tile;  ///< where the walk stands

  __device__ TileWalk(const TileRange& tiles, int rank)
      : tile(tiles.begin), tiles_(tiles), left_(tiles.end - tiles.begin) {
    if constexpr (!has_documents) {
      tile += rank % left_;
    }
  }

  [[nodiscard]] __device__ bool is_over() const { return has_documents ? tile == tiles_.end : left_ == 0; }

  __device__ void advance() {
    ++tile;
    --left_;
    if (!has_documents && tile == tiles_.end) {
      tile = tiles_.begin;
    }
  }

 private:
  TileRange tiles_;
  int left_;
};

/// Everything a block shares.
template <int head_size>
struct BackwardShared {
  using Shape = BackwardShape<head_size>;
  using Tiles = BackwardTiles<head_size>;
  static constexpr int stages = Shape::stages;
  static_assert(stages >= 2, "a warpgroup may write the dS of one tile while another reads that of the tile before");

  alignas(panel_alignment) std::byte k[Tiles::Keys::bytes];
  alignas(panel_alignment) std::byte v[Tiles::Keys::bytes];
  alignas(panel_alignment) std::byte q[stages][Tiles::Queries::bytes];
  alignas(panel_alignment) std::byte dout[stages][Tiles::Queries::bytes];
  alignas(panel_alignment) std::byte ds[stages][Tiles::Scores::bytes];
  alignas(128) std::byte sums[Shape::consumers][GradientSum::bytes];
  /// As row_softmax makes them, which gives no weight where there is no key.
  alignas(16) RowSoftmax softmax[stages][Shape::queries];
  alignas(16) float scaled_delta[stages][Shape::queries];
  std::int32_t key_documents[Tiles::keys];
  alignas(16) std::int32_t query_documents[stages][Shape::queries];
  ptx::SharedAddress k_address;
  std::uint64_t kv_full;
  Pipeline<stages> q_pipeline;  ///< of q, row statistics, delta and documents
  Pipeline<stages> dout_pipeline;
  int tile[stages];  ///< of queries, in each stage
  TileRange tiles;
  BackwardPlace place;  ///< here rather than in registers, of which the consumers have none to spare
};

/// The query tiles that see a key tile. Called by a whole warp.
template <int head_size, bool has_documents>
__device__ TileRange seeing_query_tiles(const BackwardArguments& arguments, const BackwardPlace& place) {
  constexpr int queries = BackwardShape<head_size>::queries;
  const TileMask& mask = arguments.mask;
  const int first_query = max(0, place.key_begin - mask.diagonal);
  const TileRange below_diagonal{.begin = first_query / queries, .end = (mask.query_tokens + queries - 1) / queries};
  if constexpr (has_documents) {
    const DocumentSummary own =
        arguments.key_documents.of_tokens(place.b, place.key_begin, BackwardTiles<head_size>::keys);
    return overlapping_tiles(own, arguments.query_documents, place.b, queries, below_diagonal);
  } else {
    return below_diagonal;
  }
}

/// The first producer warp: one thread starts all copies.
template <int head_size, bool has_documents>
__device__ void produce_tiles(const BackwardArguments& arguments, BackwardShared<head_size>& shared,
                              const BackwardPlace& place, TileWalk<has_documents> walk) {
  using Tiles = BackwardTiles<head_size>;
  constexpr int queries = BackwardShape<head_size>::queries;
  ptx::arrive_expecting(ptx::shared_address(&shared.kv_full), 2 * Tiles::Keys::bytes);
  start_tile_copy<typename Tiles::Keys>(shared.k, arguments.k, ptx::shared_address(&shared.kv_full), place.key_begin,
                                        place.kv_head, place.b);
  start_tile_copy<typename Tiles::Keys>(shared.v, arguments.v, ptx::shared_address(&shared.kv_full), place.key_begin,
                                        place.kv_head, place.b);
  PipelinePlace<BackwardShape<head_size>::stages> at;
  for (; !walk.is_over(); walk.advance()) {
    const auto copy = [&](auto& pipeline, std::byte* to, const CUtensorMap& map) {
      pipeline.wait_empty(at);
      const ptx::SharedAddress full = ptx::shared_address(&pipeline.full[at.stage]);
      ptx::arrive_expecting(full, Tiles::Queries::bytes);
      start_tile_copy<typename Tiles::Queries>(to, map, full, walk.tile * queries, place.head, place.b);
    };
    copy(shared.q_pipeline, shared.q[at.stage], arguments.q);
    copy(shared.dout_pipeline, shared.dout[at.stage], arguments.dout);
    at.advance();
  }
}

/// The second producer warp: brings maximum, sum and delta, which may lie at any address, in the form that the
/// consumers need, and document ids.
template <int head_size, bool has_documents>
__device__ void produce_rows(const BackwardArguments& arguments, BackwardShared<head_size>& shared,
                             const BackwardPlace& place, TileWalk<has_documents> walk) {
  constexpr int queries = BackwardShape<head_size>::queries;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  PipelinePlace<BackwardShape<head_size>::stages> at;
  for (; !walk.is_over(); walk.advance()) {
    shared.q_pipeline.wait_empty(at);
    // Row by row: the few registers of a producer hold no more. A latency each, which the stage ahead hides.
#pragma unroll 1
    for (int row = lane; row < queries; row += 32) {
      const int token = walk.tile * queries + row;
      RowSoftmax softmax = row_softmax(0.0F, 0.0F);
      float delta = 0.0F;
      if (token < arguments.mask.query_tokens) {
        softmax =
            row_softmax(arguments.maximum.at(place.b, place.head, token), arguments.sum.at(place.b, place.head, token));
        delta = arguments.delta.at(place.b, place.head, token);
      }
      shared.softmax[at.stage][row] = softmax;
      shared.scaled_delta[at.stage][row] = arguments.scale * delta;
    }
    if (lane == 0) {
      shared.tile[at.stage] = walk.tile;
    }
    if constexpr (has_documents) {
      copy_documents(shared.query_documents[at.stage], arguments.mask.queries, place.b, walk.tile * queries,
                     arguments.mask.query_tokens);
    }
    ptx::arrive(ptx::shared_address(&shared.q_pipeline.full[at.stage]));
    at.advance();
  }
}

/// Writes a rounded fragment of dS^T into its 64 rows of the tile, 16 rows and columns at once.
/// @param warp_row  the first of the warp's 16 rows
template <class Tile, int Steps>
__device__ void store_score_gradients(ptx::SharedAddress tile, const std::uint32_t (&words)[Steps][4], int warp_row) {
  // Words of a step: rows 0 and 8 of its first eight columns, then of its second. A thread gives the address of one
  // row.
  const auto lane = threadIdx.x % 32U;
  const auto row = static_cast<unsigned>(warp_row) + lane % 16U;
  const ptx::SharedAddress row_address = tile + row * Tile::row_bytes + ((lane / 16U) ^ (row % 8U)) * 16U;
#pragma unroll
  for (int step = 0; step < Steps; ++step) {
    // Chunk c of a row lies at c XOR (row mod 8): of this step, at that of the first step XOR 2 step.
    const auto chunk = static_cast<unsigned>(2 * step);
    const ptx::SharedAddress in_panel = row_address ^ (chunk % 8U * 16U);
    ptx::store_matrices(in_panel + chunk / 8U * Tile::panel_bytes, words[step]);
  }
}

/// A consumer warpgroup: 64 rows of keys.
template <int head_size, bool has_documents>
class BackwardConsumer {
 public:
  using Tiles = BackwardTiles<head_size>;
  using Shape = BackwardShape<head_size>;
  using Shared = BackwardShared<head_size>;

  __device__ BackwardConsumer(const BackwardArguments& arguments, Shared& shared, int consumer)
      : arguments_(arguments),
        shared_(shared),
        consumer_(consumer),
        own_row_(warp_row() + static_cast<int>(threadIdx.x) % 32 / 4),
        quad_lane_(static_cast<int>(threadIdx.x) % 4) {}

  __device__ void run(int tiles) {
#pragma unroll
    for (int at = 0; at < head_size / 2; ++at) {
      dk_[at] = 0.0F;
      dv_[at] = 0.0F;
    }
    ptx::wait(ptx::shared_address(&shared_.kv_full), 0);
    step<true>();
    for (int left = tiles - 1; left > 0; --left) {
      step<false>();
    }
    start_query_gradients();
    finish_product<0>(dq_);
    add_query_gradients();
    add(dv_, arguments_.dv);
    add(dk_, arguments_.dk);
    gradient_sum().wait_until_read();
  }

 private:
  static constexpr int queries = Shape::queries;
  static constexpr int meeting_barrier = 1;  // 0 is __syncthreads
  static constexpr int consumer_threads = Shape::consumers * warpgroup_threads;
  /// dQ of a tile is `queries` x `head_size`; of its 64 x 64 parts each warpgroup sums one.
  static constexpr int dq_columns = 64;
  static_assert(queries / warpgroup_rows * (head_size / dq_columns) == Shape::consumers);

  [[nodiscard]] __device__ GradientSum gradient_sum() const {
    return {shared_.sums[consumer_], meeting_barrier + 1 + GradientSum::barriers * consumer_};
  }

  // Of large heads k's address comes from memory, which keeps the compiler from holding its descriptors, the same in
  // every step, in registers that it has not got. Those of v it holds in uniform registers.
  __device__ typename Tiles::Keys k() const {
    return {head_size > 64 ? shared_.k_address : ptx::shared_address(shared_.k)};
  }
  __device__ typename Tiles::Keys v() const { return {ptx::shared_address(shared_.v)}; }
  __device__ typename Tiles::Queries q(int stage) const { return {ptx::shared_address(shared_.q[stage])}; }
  __device__ typename Tiles::Queries dout(int stage) const { return {ptx::shared_address(shared_.dout[stage])}; }
  __device__ typename Tiles::Scores ds(int stage) const { return {ptx::shared_address(shared_.ds[stage])}; }

  /// S^T = K Q^T of the tile in `stage`.
  __device__ void start_scores(int stage) {
    start_product_of_rows<queries>(scores_, k().from_row(consumer_ * warpgroup_rows), 0, q(stage));
  }

  /// Hides what the mask hides in the transposed scores. Tiles that the diagonal leaves whole cost a comparison.
  __device__ void mask(int stage) {
    const TileMask& mask = arguments_.mask;
    const int last_key = shared_.place.key_begin + consumer_ * warpgroup_rows + warpgroup_rows - 1;
    if (mask.query_begin(last_key) > tile_ * queries) {
      hide_from_queries_before(
          scores_, {.row = shared_.place.key_begin + own_row_, .column = tile_ * queries + 2 * quad_lane_}, mask);
    }
    if constexpr (has_documents) {
      hide_strangers(scores_, &shared_.key_documents[own_row_], &shared_.query_documents[stage][2 * quad_lane_]);
    }
  }

  /// Scores become the weights e^(scale s - maximum) / sum. Where one cannot be of those that the maximum is of, all of
  /// the thread's become NaN.
  __device__ void weigh(int stage) {
    float largest_excess = minus_infinity;
#pragma unroll
    for (int at = 0; at < queries / 2; at += 4) {
      // Maximum and sum of two columns in one load.
      const auto of_columns = *reinterpret_cast<const float4*>(&shared_.softmax[stage][2 * at + 2 * quad_lane_]);
#pragma unroll
      for (int row = 0; row < thread_rows; ++row) {
        const float first = excess_of(scores_[at + 2 * row], arguments_.scale, of_columns.x);
        const float second = excess_of(scores_[at + 2 * row + 1], arguments_.scale, of_columns.z);
        largest_excess = fmaxf(largest_excess, fmaxf(first, second));
        scores_[at + 2 * row] = weight_of(first, of_columns.y);
        scores_[at + 2 * row + 1] = weight_of(second, of_columns.w);
      }
    }
    if (largest_excess > largest_score_excess) {
#pragma unroll
      for (float& score : scores_) {
        score = __builtin_nanf("");
      }
    }
  }

  /// A weight for dS: as it was computed where there are registers for it, else as dV reads it, rounded, in half of
  /// them.
  template <int Steps>
  __device__ float weight(const std::uint32_t (&rounded)[Steps][4], int at) const {
    if constexpr (queries <= 64) {
      return scores_[at];
    } else {
      const std::uint32_t pair = rounded[at / 8][at % 8 / 2];
      return __uint_as_float(at % 2 == 0 ? pair << 16U : pair & 0xffff0000U);
    }
  }

  /// dS = P (dP - delta) scale, by the score before it is scaled: what dQ and dK sum needs no factor then.
  template <int N>
  __device__ void differentiate(float (&dp)[N], const std::uint32_t (&weights)[N / 8][4], int stage) {
#pragma unroll
    for (int at = 0; at < N; at += 4) {
      const auto delta = *reinterpret_cast<const float2*>(&shared_.scaled_delta[stage][2 * at + 2 * quad_lane_]);
#pragma unroll
      for (int row = 0; row < thread_rows; ++row) {
        const int first = at + 2 * row;
        dp[first] = weight(weights, first) * fmaf(dp[first], arguments_.scale, -delta.x);
        dp[first + 1] = weight(weights, first + 1) * fmaf(dp[first + 1], arguments_.scale, -delta.y);
      }
    }
  }

  /// Starts dQ = dS K of the tile whose dS was written last.
  __device__ void start_query_gradients() {
    const int last_stage = place_in_pipeline_.stage == 0 ? Shape::stages - 1 : place_in_pipeline_.stage - 1;
    start_product_of_columns<dq_columns>(dq_, ds(last_stage), part_row(), k(), part_column());
  }

  __device__ void add_query_gradients() {
    gradient_sum().start_adding(dq_, arguments_.dq.columns[part_column() / dq_columns], tile_ * queries + part_row(),
                                shared_.place.head, shared_.place.b);
  }

  /// Of the block's keys: the first of the warp's 16 rows.
  __device__ int warp_row() const {
    return consumer_ * warpgroup_rows + static_cast<int>(threadIdx.x) % warpgroup_threads / 32 * 16;
  }

  __device__ int part_row() const { return head_size == dq_columns ? consumer_ * warpgroup_rows : 0; }
  __device__ int part_column() const { return head_size == dq_columns ? 0 : consumer_ * dq_columns; }

  /// One query tile, and the dQ of the one before it.
  template <bool is_first>
  __device__ void step() {
    auto at = place_in_pipeline_;
    std::uint32_t weights[queries / 16][4];
    std::uint32_t score_gradients[queries / 16][4];
    if constexpr (!is_first) {
      start_query_gradients();
    }
    shared_.q_pipeline.wait_full(at);
    start_scores(at.stage);
    if constexpr (!is_first) {
      finish_product<1>(dq_);
      add_query_gradients();
    }
    tile_ = shared_.tile[at.stage];
    float dp[queries / 2];
    shared_.dout_pipeline.wait_full(at);
    start_product_of_rows<queries>(dp, v().from_row(consumer_ * warpgroup_rows), 0, dout(at.stage));
    finish_product<1>(scores_);
    mask(at.stage);
    weigh(at.stage);
    round_to_operand(scores_, weights);
    start_weighted_sum<head_size>(dv_, weights, dout(at.stage));
    finish_product<1>(dp);
    differentiate(dp, weights, at.stage);
    round_to_operand(dp, score_gradients);
    // PTX forbids any use of an A fragment before the wait for its product. These are only read, here and (of 128
    // queries) in `differentiate`, as the tensor cores read them: no wait or move of ptxas 13.0 says that it minds, and
    // a wait would cost the overlap. To be judged by a build that waits, on hardware.
    start_weighted_sum<head_size>(dk_, score_gradients, q(at.stage));
    store_score_gradients<typename Tiles::Scores>(ds(at.stage).address, score_gradients, warp_row());
    ptx::fence_async_proxy();
    gradient_sum().wait_until_read();
    ptx::barrier_sync(meeting_barrier, consumer_threads);
    finish_product<0>(dv_);
    ptx::hold_registers(dk_);
    shared_.dout_pipeline.release(at);
    shared_.q_pipeline.release(at);
    at.advance();
    place_in_pipeline_ = at;
  }

  /// Adds the warpgroup's 64 keys of dk or dv to memory, or writes them there, 64 columns at a time.
  __device__ void add(const float (&sums)[head_size / 2], const GradientMaps& to) {
#pragma unroll
    for (int part = 0; part < head_size / 64; ++part) {
      float columns[GradientSum::columns / 2];
#pragma unroll
      for (int at = 0; at < GradientSum::columns / 2; ++at) {
        columns[at] = sums[part * GradientSum::columns / 2 + at];
      }
      gradient_sum().wait_until_free();
      gradient_sum().start_adding(columns, to.columns[part], shared_.place.key_begin + consumer_ * warpgroup_rows,
                                  shared_.place.kv_head, shared_.place.b, arguments_.overwrites_keys);
    }
  }

  const BackwardArguments& arguments_;
  Shared& shared_;
  int consumer_;
  int own_row_;    ///< of the block's keys: the first of the thread's two rows
  int quad_lane_;  ///< 0 to 3
  int tile_ = 0;   ///< of queries: the one that the scores are of
  PipelinePlace<Shape::stages> place_in_pipeline_;
  float dk_[head_size / 2];
  float dv_[head_size / 2];
  float scores_[queries / 2];
  float dq_[dq_columns / 2];
};

/// Writes zeros to dk and dv of keys that no query sees. Called by all threads.
template <int head_size>
__device__ void clear_keys(const BackwardArguments& arguments, BackwardShared<head_size>& shared,
                           const BackwardPlace& place) {
  auto* zeros = reinterpret_cast<float4*>(shared.sums[0]);
  constexpr int quads = GradientSum::bytes / static_cast<int>(sizeof(float4));
  for (int at = static_cast<int>(threadIdx.x); at < quads; at += block_threads<BackwardShape<head_size>>) {
    zeros[at] = {0.0F, 0.0F, 0.0F, 0.0F};
  }
  ptx::fence_async_proxy();
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int row = 0; row < BackwardTiles<head_size>::keys; row += GradientSum::rows) {
      for (int part = 0; part < head_size / GradientSum::columns; ++part) {
        for (const GradientMaps* to : {&arguments.dk, &arguments.dv}) {
          ptx::store_tile(&to->columns[part], ptx::shared_address(zeros), 0, place.key_begin + row, place.kv_head,
                          place.b);
        }
      }
    }
    ptx::commit_bulk();
    ptx::wait_bulk_read<0>();
  }
}

template <int head_size, bool has_documents>
__global__ void __launch_bounds__(block_threads<BackwardShape<head_size>>, 1)
    backward_kernel(const __grid_constant__ BackwardArguments arguments) {
  using Shape = BackwardShape<head_size>;
  if (arguments.gate.is_closed()) {
    return;
  }
  auto& shared = *reinterpret_cast<BackwardShared<head_size>*>(ptx::dynamic_shared_memory());

  const BlockOrder::Place in_order = arguments.order.place_of(static_cast<int>(blockIdx.x));
  // Under a causal mask the first keys are seen by the most queries.
  const BackwardPlace place{.b = in_order.head / arguments.heads,
                            .head = in_order.head % arguments.heads,
                            .kv_head = in_order.head % arguments.heads / arguments.heads_per_kv_head,
                            .key_begin = in_order.rank * BackwardTiles<head_size>::keys};
  const int warp = __shfl_sync(all_lanes, static_cast<int>(threadIdx.x) / 32, 0);
  const int warpgroup = warp / 4;
  if (warp == 0) {
    const TileRange tiles = seeing_query_tiles<head_size, has_documents>(arguments, place);
    if constexpr (has_documents) {
      copy_documents(shared.key_documents, arguments.mask.keys, place.b, place.key_begin, arguments.mask.key_tokens);
    }
    if (threadIdx.x == 0) {
      shared.tiles = tiles;
      shared.place = place;
      shared.k_address = ptx::shared_address(shared.k);
      ptx::init_barrier(ptx::shared_address(&shared.kv_full), 1);
      // The thread that starts the copies, and the warp that brings maximum, sum and delta.
      shared.q_pipeline.initialize(1 + 32, 4 * Shape::consumers);
      shared.dout_pipeline.initialize(1, 4 * Shape::consumers);
      ptx::fence_barrier_init();
    }
  }
  __syncthreads();
  const TileRange tiles = shared.tiles;
  if (tiles.is_empty()) {
    if (arguments.overwrites_keys) {
      clear_keys<head_size>(arguments, shared, place);
    }
    return;
  }
  if (warpgroup == 0) {
    ptx::lower_registers_to<Shape::producer_registers>();
    const TileWalk<has_documents> walk(tiles, in_order.rank);
    if (threadIdx.x == 0) {
      produce_tiles<head_size, has_documents>(arguments, shared, place, walk);
    } else if (warp == 1) {
      produce_rows<head_size, has_documents>(arguments, shared, place, walk);
    }
  } else {
    ptx::raise_registers_to<Shape::consumer_registers>();
    BackwardConsumer<head_size, has_documents>(arguments, shared, warpgroup - 1).run(tiles.end - tiles.begin);
  }
}

}  // namespace ringworld::cuda::hopper
