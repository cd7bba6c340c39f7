#pragma once
/// @file  Backward pass of a block with mma.sync.
/// Source: Dao, "FlashAttention-2", arXiv:2307.08691, algorithm 2.
///
///              queries, one tile after the other           One block of threads has a tile of keys of one key/value
///            +------+------+------+--                      head; a warp has 16 of them. Scores are computed transposed,
///   warp 0   | S^T = K Q^T |      |    P^T = e^(S^T - m) / l     so that P^T and dS^T are A operands as they lie in the
///   warp 1   | dP^T = V dO^T      |    dS^T = P^T (dP^T - delta) registers of the warp that made them: dV and dK are
///   ...      +------+------+------+--                      sums of one warp. Only dQ = dS K sums over warps: dS^T goes
///               dV += P^T dO, dK += dS^T Q                 through shared memory, and dQ into memory by atomic additions.
///
/// The queries of every head that reads this key/value head follow each other, so grouped queries need no atomics for
/// dK and dV, and K and V are read once.
///
/// Why atomics and not a second kernel for dQ: two kernels compute S and dP twice, 14 D FLOP a score instead of 10 D. The
/// price is 4 bytes of atomic additions for every element of dQ and tile of keys: 2.5 FLOP a byte and key of the tile,
/// 320 with 128 keys, and an order of additions that differs from run to run: dq is not the same bit by bit.
///
/// Shared memory: B operands are 16 rows times all of a tile, 16 FLOP a byte, which is what sm_80 balances; the copies of
/// the next queries run meanwhile where two stages fit.

#include <cuda_runtime.h>

#include "kernels/attention/cuda/gate.cuh"
#include "kernels/attention/cuda/mma/fragments.cuh"
#include "kernels/attention/cuda/softmax.cuh"
#include "kernels/attention/cuda/tile_mask.cuh"
#include "kernels/attention/cuda/views.cuh"

namespace ringworld::cuda {

/// What the backward kernel is told.
struct BackwardArguments {
  HeadVectors<const bf16> q;
  HeadVectors<const bf16> k;
  HeadVectors<const bf16> v;
  HeadVectors<const bf16> dout;
  RowNumbers<const float> maximum;
  RowNumbers<const float> sum;
  RowNumbers<const float> delta;
  HeadVectors<float> dq;
  HeadVectors<float> dk;
  HeadVectors<float> dv;
  TileMask mask;
  Gate gate;
  float scale;
  int heads_per_kv_head;
  int head_size;  ///< of the tensors, at most that of the kernel
};

/// Tiles of the backward kernel for a head size. `is_large` asks for 145 KiB of shared memory, which GPUs for data centres
/// have (compute capability 8.0, 9.0, 10.0), where others have 99.
template <int head_size, bool is_large>
struct BackwardTiles {
  static constexpr int columns = (head_size + 15) / 16 * 16;
  static constexpr bool is_wide = head_size > 128;
  /// Warps along the keys, 16 keys each, and along the columns of dK and dV: two of those repeat the same scores, where
  /// the sums of all columns would not fit the registers of one.
  static constexpr int key_warps = is_wide ? 2 : is_large || head_size == 64 ? 8 : 4;
  static constexpr int column_warps = is_wide ? 2 : 1;
  static constexpr int warps = key_warps * column_warps;
  static constexpr int threads = 32 * warps;
  static constexpr int keys = 16 * key_warps;
  static constexpr int queries = is_wide ? 32 : 64;
  /// Tiles of queries in flight: the one that is computed with, and the next.
  static constexpr int stages = is_large || head_size == 64 ? 2 : 1;
  static constexpr int gradient_tiles = columns / column_warps / 8;  ///< fragments of dK and dV across
  /// dQ: warps along 16 queries each, and along the columns.
  static constexpr int query_warps = queries / 16;
  static constexpr int dq_columns = columns / (warps / query_warps);
  static_assert(dq_columns % 16 == 0 && columns / column_warps % 16 == 0);

  using Tile = SharedTile<columns>;
  using ScoreTile = SharedTile<queries>;  ///< dS^T, a row a key

  // Offsets in shared memory, in bytes. A stage: Q, dO, maximum, sum, delta.
  static constexpr int v_offset = Tile::bytes(keys);
  static constexpr int ds_offset = 2 * Tile::bytes(keys);
  static constexpr int stage_offset = ds_offset + ScoreTile::bytes(keys);
  static constexpr int dout_offset = Tile::bytes(queries);
  static constexpr int maximum_offset = 2 * Tile::bytes(queries);
  static constexpr int sum_offset = maximum_offset + queries * 4;
  static constexpr int delta_offset = sum_offset + queries * 4;
  static constexpr int stage_bytes = delta_offset + queries * 4;
  static constexpr int shared_bytes = stage_offset + stages * stage_bytes;
};

/// The tiles in shared memory of one stage.
template <class Tiles>
struct BackwardStage {
  std::byte* memory;
  typename Tiles::Tile q{ptx::shared_address(memory)};
  typename Tiles::Tile dout{ptx::shared_address(memory + Tiles::dout_offset)};
  float* maximum = reinterpret_cast<float*>(memory + Tiles::maximum_offset);
  float* sum = reinterpret_cast<float*>(memory + Tiles::sum_offset);  ///< its logarithm, once prepared
  float* delta = reinterpret_cast<float*>(memory + Tiles::delta_offset);
};

/// sums (16 keys of the warp x all queries) = rows of `keys` times rows of `queries`.
template <class Tiles>
__device__ void multiply_transposed_scores(Accumulator (&sums)[Tiles::queries / 8],
                                           const AddressA<Tiles::columns>& keys,
                                           const AddressB<Tiles::columns>& queries) {
#pragma unroll
  for (int step = 0; step < Tiles::columns / 16; ++step) {
    const FragmentA a = load_a(keys.at(0, step));
#pragma unroll
    for (int pair = 0; pair < Tiles::queries / 16; ++pair) {
      multiply_add(sums[2 * pair], sums[2 * pair + 1], a, load_b(queries.at(16 * pair, step)));
    }
  }
}

/// Calls `function(score, key of the warp, query of the tile)` for the lane's scores.
template <class Tiles, class Function>
__device__ void for_each_score(Accumulator (&scores)[Tiles::queries / 8], const LanePlace& place, Function&& function) {
#pragma unroll
  for (int tile = 0; tile < Tiles::queries / 8; ++tile) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      function(scores[tile].values[i], place.group + 8 * (i / 2), 8 * tile + 2 * place.thread + i % 2);
    }
  }
}

/// Makes scores of invisible keys -inf.
template <class Tiles>
__device__ void hide_invisible(Accumulator (&scores)[Tiles::queries / 8], const TileMask& mask, int b, int first_key,
                               int first_query, const LanePlace& place) {
  for_each_score<Tiles>(scores, place, [&](float& score, int row, int column) {
    score = column < mask.query_begin(first_key + row) - first_query ? minus_infinity : score;
  });
  if (mask.has_documents()) {
    for_each_score<Tiles>(scores, place, [&](float& score, int row, int column) {
      score = mask.is_same_document(b, first_query + column, first_key + row) ? score : minus_infinity;
    });
  }
}

/// sums (16 keys of the warp x the warp's columns) += factors (keys x queries) times rows of `queries`.
template <class Tiles>
__device__ void add_gradients(Accumulator (&sums)[Tiles::gradient_tiles],
                              const Accumulator (&factors)[Tiles::queries / 8],
                              const AddressTransposedB<Tiles::columns>& queries, int warp_column) {
#pragma unroll
  for (int step = 0; step < Tiles::queries / 16; ++step) {
    const FragmentA a = rounded_to_a(factors[2 * step], factors[2 * step + 1]);
#pragma unroll
    for (int pair = 0; pair < Tiles::gradient_tiles / 2; ++pair) {
      multiply_add(sums[2 * pair], sums[2 * pair + 1], a,
                   load_b_transposed(queries.at(16 * step, warp_column / 16 + pair)));
    }
  }
}

/// Writes dS^T of the warp's keys, rounded to bf16.
template <class Tiles>
__device__ void store_scores(std::byte* tile, const Accumulator (&scores)[Tiles::queries / 8], int warp_key,
                             const LanePlace& place) {
#pragma unroll
  for (int chunk = 0; chunk < Tiles::queries / 8; ++chunk) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = warp_key + place.group + 8 * half;
      const float* pair = scores[chunk].values + 2 * half;
      *reinterpret_cast<std::uint32_t*>(tile + Tiles::ScoreTile::chunk_offset(row, chunk) + 4 * place.thread) =
          ptx::pack_bf16(pair[0], pair[1]);
    }
  }
}

/// dq += scale dS K for all queries of a tile; every warp has 16 of them and some of the columns.
template <class Tiles>
__device__ void add_query_gradients(float* dq, std::int64_t stride, int existing, int existing_columns,
                                    typename Tiles::ScoreTile ds_tile, typename Tiles::Tile k_tile, float scale,
                                    const LanePlace& place) {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int query_group = warp % Tiles::query_warps;
  const int first_column = warp / Tiles::query_warps * Tiles::dq_columns;
  const AddressTransposedA<Tiles::queries> ds(ds_tile, 0, place.lane);
  const AddressTransposedB<Tiles::columns> keys(k_tile, 0, place.lane);
  Accumulator sums[Tiles::dq_columns / 8] = {};
#pragma unroll
  for (int step = 0; step < Tiles::keys / 16; ++step) {
    const FragmentA a = load_a_transposed(ds.at(16 * step, query_group));
#pragma unroll
    for (int pair = 0; pair < Tiles::dq_columns / 16; ++pair) {
      multiply_add(sums[2 * pair], sums[2 * pair + 1], a,
                   load_b_transposed(keys.at(16 * step, first_column / 16 + pair)));
    }
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = 16 * query_group + 8 * half + place.group;
    if (row >= existing) {
      continue;
    }
#pragma unroll
    for (int tile = 0; tile < Tiles::dq_columns / 8; ++tile) {
      const int column = first_column + 8 * tile + 2 * place.thread;
      if (column < existing_columns) {
        atomicAdd(dq + row * stride + column, sums[tile].values[2 * half] * scale);
        atomicAdd(dq + row * stride + column + 1, sums[tile].values[2 * half + 1] * scale);
      }
    }
  }
}

/// gradient += scale * sums for the warp's keys and columns; nobody else adds to them.
template <int tiles>
__device__ void add_key_gradients(float* gradient, std::int64_t stride, int existing, int existing_columns,
                                  const Accumulator (&sums)[tiles], int warp_column, float scale,
                                  const LanePlace& place) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = place.group + 8 * half;
    if (row >= existing) {
      continue;
    }
#pragma unroll
    for (int tile = 0; tile < tiles; ++tile) {
      const int column = warp_column + 8 * tile + 2 * place.thread;
      if (column < existing_columns) {
        float2* pair = reinterpret_cast<float2*>(gradient + row * stride + column);
        const float2 before = *pair;
        *pair = {before.x + scale * sums[tile].values[2 * half], before.y + scale * sums[tile].values[2 * half + 1]};
      }
    }
  }
}

/// Adds the share of one key tile and key/value head to the gradients.
/// Grid: key tiles, key/value heads, batch. Dynamic shared memory: Tiles::shared_bytes.
template <int head_size, bool is_large>
__global__ void __launch_bounds__(BackwardTiles<head_size, is_large>::threads, 1)
    backward_kernel(const __grid_constant__ BackwardArguments block) {
  using Tiles = BackwardTiles<head_size, is_large>;
  using Tile = typename Tiles::Tile;
  using Stage = BackwardStage<Tiles>;
  constexpr int score_tiles = Tiles::queries / 8;
  if (block.gate.is_closed()) {
    return;
  }
  std::byte* const shared = ptx::dynamic_shared_memory();
  const Tile k_tile{ptx::shared_address(shared)};
  const Tile v_tile{ptx::shared_address(shared + Tiles::v_offset)};
  const typename Tiles::ScoreTile ds_tile{ptx::shared_address(shared + Tiles::ds_offset)};
  const auto stage_of = [&](int number) {
    return Stage{shared + Tiles::stage_offset + number % Tiles::stages * Tiles::stage_bytes};
  };

  const int b = static_cast<int>(blockIdx.z);
  const int kv_head = static_cast<int>(blockIdx.y);
  const TileMask& mask = block.mask;
  const int first_key = static_cast<int>(blockIdx.x) * Tiles::keys;
  const TokenRange key{first_key, first_key + Tiles::keys};
  const DocumentRange key_documents = mask.key_documents(b, key);

  // A step is a query tile of one head; the heads that read this key/value head follow each other.
  const int query_tiles = (mask.query_tokens + Tiles::queries - 1) / Tiles::queries;
  const int first_query_tile = max(0, first_key - mask.diagonal) / Tiles::queries;
  const int steps = first_query_tile < query_tiles ? query_tiles * block.heads_per_kv_head : 0;
  const auto head_of = [&](int step) { return kv_head * block.heads_per_kv_head + step / query_tiles; };
  const auto queries_of = [&](int step) {
    const int begin = step % query_tiles * Tiles::queries;
    return TokenRange{begin, begin + Tiles::queries};
  };
  // The first step from `step` on of which something is visible, or `steps`.
  const auto next_visible = [&](int step, Cover& cover) {
    while (step < steps) {
      if (const int missing = first_query_tile - step % query_tiles; missing > 0) {
        step += missing;
      }
      const TokenRange query = queries_of(step);
      cover = mask.cover(query, mask.query_documents(b, query), key, key_documents);
      if (cover != Cover::none) {
        break;
      }
      ++step;
    }
    return step;
  };
  const auto start_copy_of = [&](int step, int stage_number) {
    const Stage stage = stage_of(stage_number);
    const int h = head_of(step);
    const int begin = queries_of(step).begin;
    const int existing = mask.query_tokens - begin;
    start_copy<Tiles::queries, head_size, Tiles::threads>(stage.q, block.q.at(b, begin, h), block.q.token_stride,
                                                          existing, block.head_size);
    start_copy<Tiles::queries, head_size, Tiles::threads>(stage.dout, block.dout.at(b, begin, h),
                                                          block.dout.token_stride, existing, block.head_size);
    // Queries that do not exist are zeros throughout: a sum of 0 gives no weight.
    for (int row = static_cast<int>(threadIdx.x); row < Tiles::queries; row += Tiles::threads) {
      const int source = begin + min(row, existing - 1);
      ptx::copy_async_4(ptx::shared_address(stage.maximum + row), &block.maximum.at(b, h, source), row < existing);
      ptx::copy_async_4(ptx::shared_address(stage.sum + row), &block.sum.at(b, h, source), row < existing);
      ptx::copy_async_4(ptx::shared_address(stage.delta + row), &block.delta.at(b, h, source), row < existing);
    }
  };

  Cover cover = Cover::none;
  int step = next_visible(0, cover);
  if (step >= steps) {
    return;
  }
  start_copy<Tiles::keys, head_size, Tiles::threads>(k_tile, block.k.at(b, first_key, kv_head), block.k.token_stride,
                                                     mask.key_tokens - first_key, block.head_size);
  start_copy<Tiles::keys, head_size, Tiles::threads>(v_tile, block.v.at(b, first_key, kv_head), block.v.token_stride,
                                                     mask.key_tokens - first_key, block.head_size);
  start_copy_of(step, 0);
  ptx::commit_copies();

  const LanePlace place;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int warp_key = warp % Tiles::key_warps * 16;
  const int warp_column = warp / Tiles::key_warps * (Tiles::columns / Tiles::column_warps);
  const AddressA<Tiles::columns> k_rows(k_tile, warp_key, place.lane);
  const AddressA<Tiles::columns> v_rows(v_tile, warp_key, place.lane);
  Accumulator dk[Tiles::gradient_tiles] = {};
  Accumulator dv[Tiles::gradient_tiles] = {};

  for (int number = 0; step < steps; ++number) {
    const Stage stage = stage_of(number);
    const int this_step = step;
    const bool is_masked = cover == Cover::some;
    step = next_visible(step + 1, cover);
    ptx::wait_copies<0>();
    __syncthreads();  // this stage is there, and nobody reads the last one any more
    if (Tiles::stages > 1 && step < steps) {
      start_copy_of(step, number + 1);
      ptx::commit_copies();
    }
    for (int row = static_cast<int>(threadIdx.x); row < Tiles::queries; row += Tiles::threads) {
      const RowSoftmax softmax = row_softmax(stage.maximum[row], stage.sum[row]);
      stage.maximum[row] = softmax.maximum;
      stage.sum[row] = softmax.log2_sum;
    }
    __syncthreads();  // logarithms are there

    // P^T, and dV += P^T dO
    Accumulator scores[score_tiles] = {};
    multiply_transposed_scores<Tiles>(scores, k_rows, {stage.q, 0, place.lane});
    if (is_masked) {
      hide_invisible<Tiles>(scores, mask, b, first_key + warp_key, queries_of(this_step).begin, place);
    }
    float largest_excess = minus_infinity;
    for_each_score<Tiles>(scores, place, [&](float& score, int /*row*/, int column) {
      const float excess = excess_of(score, block.scale, stage.maximum[column]);
      largest_excess = fmaxf(largest_excess, excess);
      score = weight_of(excess, stage.sum[column]);
    });
    if (largest_excess > largest_score_excess) {
      for_each_score<Tiles>(scores, place,
                            [&](float& score, int /*row*/, int /*column*/) { score = __builtin_nanf(""); });
    }
    add_gradients<Tiles>(dv, scores, {stage.dout, 0, place.lane}, warp_column);

    // dS^T, and dK += dS^T Q
    Accumulator products[score_tiles] = {};
    multiply_transposed_scores<Tiles>(products, v_rows, {stage.dout, 0, place.lane});
    for_each_score<Tiles>(products, place,
                          [&](float& product, int /*row*/, int column) { product -= stage.delta[column]; });
#pragma unroll
    for (int tile = 0; tile < score_tiles; ++tile) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        scores[tile].values[i] *= products[tile].values[i];
      }
    }
    if (warp < Tiles::key_warps) {
      store_scores<Tiles>(shared + Tiles::ds_offset, scores, warp_key, place);
    }
    add_gradients<Tiles>(dk, scores, {stage.q, 0, place.lane}, warp_column);

    __syncthreads();  // dS^T is there, and nobody reads this stage any more
    if (Tiles::stages == 1 && step < steps) {
      start_copy_of(step, number + 1);
      ptx::commit_copies();
    }
    const int begin = queries_of(this_step).begin;
    add_query_gradients<Tiles>(block.dq.at(b, begin, head_of(this_step)), block.dq.token_stride,
                               mask.query_tokens - begin, block.head_size, ds_tile, k_tile, block.scale, place);
  }

  const int row = first_key + warp_key;
  add_key_gradients(block.dk.at(b, row, kv_head), block.dk.token_stride, mask.key_tokens - row, block.head_size, dk,
                    warp_column, block.scale, place);
  add_key_gradients(block.dv.at(b, row, kv_head), block.dv.token_stride, mask.key_tokens - row, block.head_size, dv,
                    warp_column, 1.0F, place);
}

}  // namespace ringworld::cuda
