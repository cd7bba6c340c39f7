#pragma once
/// @file  Forward pass of a block with mma.sync.
/// Source: Dao, "FlashAttention-2", arXiv:2307.08691, algorithm 1, with a state that comes from and goes to memory.
///
///              keys, one tile of 64 after the other                  One block of threads has a tile of queries of one
///            +------+------+------+--                                head; a warp has 16 or 32 of its rows, from scores
///   warp 0   | S = Q K^T   |      |      P = 2^(c (S - m))           to output, so no row crosses warps.
///   warp 1   |      |      |      |      O = O 2^(..) + P V
///   ...      +------+------+------+--    c = scale log2 e            K and V of a tile are copied while the other is
///                                                                    multiplied:
///     copies     K0 | V0 | K1      | V1 | K2      | V2
///     products      | S0 | P0, O0  | S1 | P1, O1  | S2 ...
///
/// Work: 4 D FLOP a score. Shared memory delivers, for 16 keys and 16 columns, 512 bytes of B, which serve all rows of a
/// warp: 16 FLOP a byte with 16 rows, 32 with 32 rows. Tensor cores of sm_80 do 2048 FLOP a cycle while shared memory
/// gives 128 bytes: 16 FLOP a byte is where they meet, operands A come on top. Hence 32 rows a warp where registers
/// allow it, and Q in registers where they allow that too.

#include <cuda_runtime.h>

#include "kernels/attention/cuda/gate.cuh"
#include "kernels/attention/cuda/mma/fragments.cuh"
#include "kernels/attention/cuda/result_vectors.cuh"
#include "kernels/attention/cuda/softmax.cuh"
#include "kernels/attention/cuda/tile_mask.cuh"
#include "kernels/attention/cuda/views.cuh"

namespace ringworld::cuda {

/// What the forward kernel is told.
struct ForwardArguments {
  HeadVectors<const bf16> q;
  HeadVectors<const bf16> k;
  HeadVectors<const bf16> v;
  StateRows state;
  ResultVectors out;
  TileMask mask;
  Gate gate;
  float scale;
  int heads_per_kv_head;
  int head_size;  ///< of the tensors, at most that of the kernel
};

/// Tiles of the forward kernel for a head size.
template <int head_size>
struct ForwardTiles {
  static constexpr int columns = (head_size + 15) / 16 * 16;
  static constexpr int warps = 4;
  static constexpr int threads = 32 * warps;
  /// Tiles of 16 rows a warp: sums of the output take D / 2 registers each.
  static constexpr int row_tiles = head_size <= 128 ? 2 : 1;
  static constexpr int queries = warps * row_tiles * 16;
  static constexpr int keys = 64;
  static constexpr bool keeps_q_in_registers = head_size <= 64;
  static constexpr int shared_bytes = SharedTile<columns>::bytes(queries + 2 * keys);
};

/// A warp's rows of the running softmax: for each tile of 16 rows, rows g and g + 8 of every lane.
template <int head_size>
class WarpState {
 public:
  using Tiles = ForwardTiles<head_size>;
  static constexpr int row_tiles = Tiles::row_tiles;
  static constexpr int output_tiles = Tiles::columns / 8;
  static constexpr int score_tiles = Tiles::keys / 8;
  using Scores = Accumulator[row_tiles][score_tiles];

  /// @param first_row  of the warp, as a query of the block
  __device__ void load(const StateRows& state, int b, int h, int first_row, int query_tokens, int existing_columns) {
    // Rows and columns that do not exist are computed with, and forgotten.
#pragma unroll
    for (int tile = 0; tile < row_tiles; ++tile) {
      maximum_[tile][0] = maximum_[tile][1] = minus_infinity;
      sum_[tile][0] = sum_[tile][1] = 0.0F;
#pragma unroll
      for (int column = 0; column < output_tiles; ++column) {
        output_[tile][column] = {};
      }
    }
    for_each_row(first_row, query_tokens, [&](int tile, int half, int query) {
      maximum_[tile][half] = state.maximum.at(b, h, query);
      // Lanes hold partial sums: what has been summed before goes to one of the four that share a row.
      sum_[tile][half] = place_.thread == 0 ? state.sum.at(b, h, query) : 0.0F;
      if (maximum_[tile][half] == minus_infinity) {
        return;
      }
      const float* row = state.output.at(b, query, h);
      for_each_pair(existing_columns, [&](int column_tile, int column) {
        const float2 pair = *reinterpret_cast<const float2*>(row + column);
        output_[tile][column_tile].values[2 * half] = pair.x;
        output_[tile][column_tile].values[2 * half + 1] = pair.y;
      });
    });
  }

  /// @param out  where the results go instead of the output, if they are wanted
  __device__ void store(const StateRows& state, const ResultVectors& out, int b, int h, int first_row, int query_tokens,
                        int existing_columns) {
    // All lanes of a warp take part in shuffles, those of rows that do not exist too.
#pragma unroll
    for (int tile = 0; tile < row_tiles; ++tile) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        sum_[tile][half] = sum_of_quad(sum_[tile][half]);
      }
    }
    for_each_row(first_row, query_tokens, [&](int tile, int half, int query) {
      if (place_.thread == 0) {
        state.maximum.at(b, h, query) = maximum_[tile][half];
        state.sum.at(b, h, query) = sum_[tile][half];
      }
      if (out.is_wanted()) {
        const float inverse = inverse_of_sum(sum_[tile][half]);
        for_each_pair(existing_columns, [&](int column_tile, int column) {
          const float* sums = output_[tile][column_tile].values + 2 * half;
          out.store_pair(b, query, h, column, {sums[0] * inverse, sums[1] * inverse});
        });
        return;
      }
      float* row = state.output.at(b, query, h);
      for_each_pair(existing_columns, [&](int column_tile, int column) {
        const Accumulator& sums = output_[tile][column_tile];
        *reinterpret_cast<float2*>(row + column) = {sums.values[2 * half], sums.values[2 * half + 1]};
      });
    });
  }

  /// Turns scores into weights 2^(log2 e (scale s - m)), and brings sums and outputs to the new maximum m.
  ///
  /// A scaled score is rounded first, then the difference, then the factor: a multiply-add less a score, c s - fl(c m),
  /// would make the largest weight 2^(rounding of c m), 1.0005 at scores of 1e4, which the sum keeps and bf16 does not. And
  /// m must be what the state can hold without another rounding, for the backward pass subtracts the same.
  __device__ void fold(Scores& scores, float scale) {
#pragma unroll
    for (int tile = 0; tile < row_tiles; ++tile) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float largest = minus_infinity;
#pragma unroll
        for (int column = 0; column < score_tiles; ++column) {
          float* values = scores[tile][column].values;
          values[2 * half] = __fmul_rn(values[2 * half], scale);
          values[2 * half + 1] = __fmul_rn(values[2 * half + 1], scale);
          largest = fmaxf(largest, fmaxf(values[2 * half], values[2 * half + 1]));
        }
        largest = maximum_of_quad(largest);
        const float before = maximum_[tile][half];
        const float maximum = fmaxf(before, largest);
        const float subtracted = subtrahend_of_maximum(maximum);
        const float rescale = ptx::exp2_approx((before - subtracted) * log2_e);
        float sum = sum_[tile][half] * rescale;
#pragma unroll
        for (int column = 0; column < score_tiles; ++column) {
          float* values = scores[tile][column].values;
#pragma unroll
          for (int i = 2 * half; i < 2 * half + 2; ++i) {
            values[i] = ptx::exp2_approx((values[i] - subtracted) * log2_e);
            sum += values[i];
          }
        }
        sum_[tile][half] = sum;
        maximum_[tile][half] = maximum;
#pragma unroll
        for (int column = 0; column < output_tiles; ++column) {
          output_[tile][column].values[2 * half] *= rescale;
          output_[tile][column].values[2 * half + 1] *= rescale;
        }
      }
    }
  }

  /// output += weights V
  __device__ void add_values(const Scores& weights, const AddressTransposedB<Tiles::columns>& values) {
#pragma unroll
    for (int step = 0; step < Tiles::keys / 16; ++step) {
      FragmentA a[row_tiles];
#pragma unroll
      for (int tile = 0; tile < row_tiles; ++tile) {
        a[tile] = rounded_to_a(weights[tile][2 * step], weights[tile][2 * step + 1]);
      }
#pragma unroll
      for (int column = 0; column < output_tiles / 2; ++column) {
        const FragmentB b = load_b_transposed(values.at(16 * step, column));
#pragma unroll
        for (int tile = 0; tile < row_tiles; ++tile) {
          multiply_add(output_[tile][2 * column], output_[tile][2 * column + 1], a[tile], b);
        }
      }
    }
  }

 private:
  /// Calls `function(tile, half, query)` for the lane's rows that exist.
  template <class Function>
  __device__ void for_each_row(int first_row, int query_tokens, Function&& function) const {
#pragma unroll
    for (int tile = 0; tile < row_tiles; ++tile) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int query = first_row + 16 * tile + 8 * half + place_.group;
        if (query < query_tokens) {
          function(tile, half, query);
        }
      }
    }
  }

  /// Calls `function(column tile, column)` for the lane's pairs of columns that exist.
  template <class Function>
  __device__ void for_each_pair(int existing_columns, Function&& function) const {
#pragma unroll
    for (int tile = 0; tile < output_tiles; ++tile) {
      const int column = 8 * tile + 2 * place_.thread;
      if (column < existing_columns) {
        function(tile, column);
      }
    }
  }

  LanePlace place_;
  float maximum_[row_tiles][2];  ///< of the scaled scores
  float sum_[row_tiles][2];      ///< of this lane's columns
  Accumulator output_[row_tiles][output_tiles];
};

/// Makes scores of invisible keys -inf.
/// @param first_row  of the warp, @param first_key  of the tile, as tokens of the block
template <class Tiles>
__device__ void hide_invisible(Accumulator (&scores)[Tiles::row_tiles][Tiles::keys / 8], const TileMask& mask, int b,
                               int first_row, int first_key, const LanePlace& place) {
  // Calls `is_hidden(query, key of the tile)` for every score of the lane.
  const auto hide_where = [&](auto&& is_hidden) {
#pragma unroll
    for (int tile = 0; tile < Tiles::row_tiles; ++tile) {
#pragma unroll
      for (int column = 0; column < Tiles::keys / 8; ++column) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          float& score = scores[tile][column].values[i];
          const int query = first_row + 16 * tile + 8 * (i / 2) + place.group;
          score = is_hidden(query, 8 * column + 2 * place.thread + i % 2) ? minus_infinity : score;
        }
      }
    }
  };
  hide_where([&](int query, int key) { return key >= mask.key_end(query) - first_key; });
  if (mask.has_documents()) {
    hide_where([&](int query, int key) { return !mask.is_same_document(b, query, first_key + key); });
  }
}

/// Folds the visible keys of a block into the state of one query tile and head.
/// Grid: query tiles, heads, batch. Dynamic shared memory: Tiles::shared_bytes.
template <int head_size>
__global__ void __launch_bounds__(ForwardTiles<head_size>::threads)
    forward_kernel(const __grid_constant__ ForwardArguments block) {
  using Tiles = ForwardTiles<head_size>;
  using State = WarpState<head_size>;
  using Tile = SharedTile<Tiles::columns>;
  constexpr int steps = Tiles::columns / 16;
  if (block.gate.is_closed()) {
    return;
  }
  const ptx::SharedAddress memory = ptx::shared_address(ptx::dynamic_shared_memory());
  const Tile q_tile{memory};
  const Tile k_tile{memory + Tile::bytes(Tiles::queries)};
  const Tile v_tile{memory + Tile::bytes(Tiles::queries + Tiles::keys)};

  const int b = static_cast<int>(blockIdx.z);
  const int h = static_cast<int>(blockIdx.y);
  const int kv_head = h / block.heads_per_kv_head;
  // Under a causal mask the last queries see most keys: they start first, so that the short ones fill the gaps.
  const int first_query = static_cast<int>(gridDim.x - 1 - blockIdx.x) * Tiles::queries;
  const TokenRange query{first_query, first_query + Tiles::queries};
  const TileMask& mask = block.mask;
  const DocumentRange documents = mask.query_documents(b, query);
  const int key_end = min(mask.key_tokens, min(query.end, mask.query_tokens) + mask.diagonal);
  // The first tile from `key` on of which something is visible, or one at or behind key_end.
  const auto next_visible = [&](int key, Cover& cover) {
    for (; key < key_end; key += Tiles::keys) {
      const TokenRange keys{key, key + Tiles::keys};
      cover = mask.cover(query, documents, keys, mask.key_documents(b, keys));
      if (cover != Cover::none) {
        break;
      }
    }
    return key;
  };
  const auto start_copy_of = [&](const Tile& tile, const HeadVectors<const bf16>& tokens, int key) {
    start_copy<Tiles::keys, head_size, Tiles::threads>(tile, tokens.at(b, key, kv_head), tokens.token_stride,
                                                       mask.key_tokens - key, block.head_size);
  };

  Cover cover = Cover::none;
  int key = next_visible(0, cover);
  if (key >= key_end) {
    if (block.out.is_wanted()) {
      write_unchanged(block.out, block.state, b, h, query.begin, min(query.end, mask.query_tokens), block.head_size);
    }
    return;
  }
  start_copy<Tiles::queries, head_size, Tiles::threads>(q_tile, block.q.at(b, query.begin, h), block.q.token_stride,
                                                        mask.query_tokens - query.begin, block.head_size);
  start_copy_of(k_tile, block.k, key);
  ptx::commit_copies();

  const LanePlace place;
  const int warp_row = static_cast<int>(threadIdx.x) / 32 * (16 * Tiles::row_tiles);
  const AddressA<Tiles::columns> q_rows(q_tile, warp_row, place.lane);
  const AddressB<Tiles::columns> k_rows(k_tile, 0, place.lane);
  const AddressTransposedB<Tiles::columns> v_rows(v_tile, 0, place.lane);
  State state;
  state.load(block.state, b, h, query.begin + warp_row, mask.query_tokens, block.head_size);

  FragmentA kept_q[Tiles::keeps_q_in_registers ? steps : 1][Tiles::row_tiles];
  if constexpr (Tiles::keeps_q_in_registers) {
    ptx::wait_copies<0>();
    __syncthreads();
#pragma unroll
    for (int step = 0; step < steps; ++step) {
#pragma unroll
      for (int tile = 0; tile < Tiles::row_tiles; ++tile) {
        kept_q[step][tile] = load_a(q_rows.at(16 * tile, step));
      }
    }
  }

  while (true) {
    ptx::wait_copies<0>();
    __syncthreads();  // K is there, and nobody needs the last V any more
    start_copy_of(v_tile, block.v, key);
    ptx::commit_copies();

    typename State::Scores scores = {};
#pragma unroll
    for (int step = 0; step < steps; ++step) {
      FragmentA a[Tiles::row_tiles];
#pragma unroll
      for (int tile = 0; tile < Tiles::row_tiles; ++tile) {
        if constexpr (Tiles::keeps_q_in_registers) {
          a[tile] = kept_q[step][tile];
        } else {
          a[tile] = load_a(q_rows.at(16 * tile, step));
        }
      }
#pragma unroll
      for (int pair = 0; pair < Tiles::keys / 16; ++pair) {
        const FragmentB keys = load_b(k_rows.at(16 * pair, step));
#pragma unroll
        for (int tile = 0; tile < Tiles::row_tiles; ++tile) {
          multiply_add(scores[tile][2 * pair], scores[tile][2 * pair + 1], a[tile], keys);
        }
      }
    }
    const TokenRange seen{key, key + Tiles::keys};
    const bool is_masked = cover == Cover::some;
    key = next_visible(seen.end, cover);

    ptx::wait_copies<0>();
    __syncthreads();  // V is there, and nobody needs this K any more
    if (key < key_end) {
      start_copy_of(k_tile, block.k, key);
    }
    ptx::commit_copies();

    if (is_masked) {
      hide_invisible<Tiles>(scores, mask, b, query.begin + warp_row, seen.begin, place);
    }
    state.fold(scores, block.scale);
    state.add_values(scores, v_rows);
    if (key >= key_end) {
      break;
    }
  }
  state.store(block.state, block.out, b, h, query.begin + warp_row, mask.query_tokens, block.head_size);
}

}  // namespace ringworld::cuda
