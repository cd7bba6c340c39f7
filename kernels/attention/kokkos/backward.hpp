#pragma once
/// @file  Backward pass, in two sweeps: a team owns a tile of queries and sums dq, then a team owns a tile of keys and
/// sums dk and dv over all query heads that read it.
/// Source: Dao, "FlashAttention-2", arXiv:2307.08691, algorithm 2. Deviation: two sweeps compute the scores and
/// dout.v twice (14 D FLOP a visible score in place of 10 D), and need no atomic additions: every sum has one owner
/// and one order, so that gradients are the same bits on every run and on any number of threads.

#include <Kokkos_Core.hpp>
#include <cstdint>

#include "kernels/attention/attention.hpp"
#include "kernels/attention/kokkos/launch.hpp"
#include "kernels/attention/kokkos/tile.hpp"
#include "kernels/attention/kokkos/tile_mask.hpp"
#include "kernels/attention/kokkos/views.hpp"
#include "kernels/elementwise/kokkos/math.hpp"

namespace ringworld::kokkos {

/// What both sweeps read.
struct BackwardOperands {
  ActivationReader q;                   ///< (B, Tq, H, D)
  ActivationReader k;                   ///< (B, Tk, Hkv, D)
  ActivationReader v;                   ///< (B, Tk, Hkv, D)
  ActivationReader dout;                ///< (B, Tq, H, D)
  StridedView<const float, 3> maximum;  ///< (B, H, Tq)
  StridedView<const float, 3> sum;      ///< (B, H, Tq)
  StridedView<const float, 3> delta;    ///< (B, H, Tq)
  TileMask mask;
  float scale;
  std::int64_t heads_per_kv_head;
  std::int64_t query_tokens;
  std::int64_t key_tokens;

  /// p = exp(scale q.k - maximum) / sum, the softmax over all keys of the sequence; NaN where the score cannot be one
  /// of those that the maximum is of. @pre the row has seen a key
  /// @param mark  of zero_unless_finite
  KOKKOS_INLINE_FUNCTION float weight(float product, float mark, std::int64_t b, std::int64_t h, std::int64_t i) const {
    // As in the forward pass: the addition keeps compilers from fusing the product with the difference, unrounded.
    const float score = scale * product + mark;
    const float excess = score - maximum(b, h, i);
    return excess > largest_score_excess ? not_a_number : exponential(excess) / sum(b, h, i);
  }

  KOKKOS_INLINE_FUNCTION bool has_seen_a_key(std::int64_t b, std::int64_t h, std::int64_t i) const {
    return sum(b, h, i) != 0.0F;
  }

  /// ds = scale p (dout.v - delta), the gradient by q.k.
  KOKKOS_INLINE_FUNCTION float score_gradient(float weight_ij, float dweight, float row_delta) const {
    return scale * weight_ij * (dweight - row_delta);
  }
};

/// Scratch of a team that owns a tile of queries, R = tile_tokens.
struct QueryGradientScratch {
  Tile q;             ///< (R, D)
  Tile dout;          ///< (R, D)
  Tile k;             ///< (R, D)
  Tile k_transposed;  ///< (D, R)
  Tile v_transposed;  ///< (D, R)
  Tile dq;            ///< (R, D)
  Tile scores;        ///< (R, R), q.k, then ds
  Tile dweights;      ///< (R, R), dout.v
  TileColumn marks;   ///< (R), of keys that are not finite: see zero_unless_finite

  KOKKOS_INLINE_FUNCTION QueryGradientScratch(const TeamMember& member, int level, int head_size)
      : q(member.team_scratch(level), tile_tokens, head_size),
        dout(member.team_scratch(level), tile_tokens, head_size),
        k(member.team_scratch(level), tile_tokens, head_size),
        k_transposed(member.team_scratch(level), head_size, tile_tokens),
        v_transposed(member.team_scratch(level), head_size, tile_tokens),
        dq(member.team_scratch(level), tile_tokens, head_size),
        scores(member.team_scratch(level), tile_tokens, tile_tokens),
        dweights(member.team_scratch(level), tile_tokens, tile_tokens),
        marks(member.team_scratch(level), tile_tokens) {}

  [[nodiscard]] static std::size_t bytes(int head_size) {
    return 4 * Tile::shmem_size(tile_tokens, head_size) + 2 * Tile::shmem_size(head_size, tile_tokens) +
           2 * Tile::shmem_size(tile_tokens, tile_tokens) + TileColumn::shmem_size(tile_tokens);
  }
};

/// dq_i += sum_j ds_ij k_j. One launch: some (batch, head, query tile), one span of keys.
struct QueryGradientKernel {
  using Scratch = QueryGradientScratch;

  BackwardOperands block;
  StridedView<float, 4> dq;  ///< (B, Tq, H, D)
  int head_size;
  std::int64_t heads;
  LaunchPart part{};

  KOKKOS_INLINE_FUNCTION void operator()(const TeamMember& member) const {
    const std::int64_t tiles = tiles_of(block.query_tokens);
    const std::int64_t index = part.first_tile + member.league_rank();
    const std::int64_t query_begin = index % tiles * tile_tokens;
    const std::int64_t h = index / tiles % heads;
    const std::int64_t b = index / tiles / heads;
    const std::int64_t kv_head = h / block.heads_per_kv_head;
    const int rows = tile_size(query_begin, block.query_tokens);
    const std::int64_t key_end = smaller(part.walk_end, block.mask.key_end(query_begin + rows));
    if (key_end <= part.walk_begin) {
      return;
    }
    const Scratch tile(member, part.scratch_level, head_size);
    load(member, block.q, b, query_begin, h, rows, tile.q);
    load(member, block.dout, b, query_begin, h, rows, tile.dout);
    fill_zero(member, tile.dq);
    for (std::int64_t key_begin = part.walk_begin; key_begin < key_end; key_begin += tile_tokens) {
      const int columns = tile_size(key_begin, key_end);
      const Cover cover =
          block.mask.cover(member, b, {query_begin, query_begin + rows, key_begin, key_begin + columns});
      if (cover == Cover::none) {
        continue;
      }
      member.team_barrier();  // the tile before has been used up
      load(member, block.k, b, key_begin, kv_head, columns, tile.k);
      load_transposed(member, block.k, b, key_begin, kv_head, columns, tile.k_transposed);
      load_transposed(member, block.v, b, key_begin, kv_head, columns, tile.v_transposed);
      fill_zero(member, tile.scores);
      fill_zero(member, tile.dweights);
      member.team_barrier();
      zero_unless_finite(member, tile.k, cover, tile.marks);
      add_product(member, rows, tile.q, tile.k_transposed, tile.scores);
      add_product(member, rows, tile.dout, tile.v_transposed, tile.dweights);
      member.team_barrier();
      Kokkos::parallel_for(Kokkos::TeamThreadRange(member, rows), [&](int row) {
        const std::int64_t i = query_begin + row;
        const float delta = block.delta(b, h, i);
        Kokkos::parallel_for(Kokkos::ThreadVectorRange(member, tile_tokens), [&](int column) {
          const bool is_visible =
              column < columns && (cover == Cover::all || block.mask.is_visible(b, i, key_begin + column));
          if (!is_visible || !block.has_seen_a_key(b, h, i)) {
            tile.scores(row, column) = 0.0F;
            return;
          }
          const float weight = block.weight(tile.scores(row, column), tile.marks(column), b, h, i);
          tile.scores(row, column) = block.score_gradient(weight, tile.dweights(row, column), delta);
        });
      });
      member.team_barrier();
      add_product(member, rows, tile.scores, tile.k, tile.dq);
    }
    member.team_barrier();
    add_to(member, tile.dq, rows, dq, b, query_begin, h);
  }
};

/// Scratch of a team that owns a tile of keys, R = tile_tokens.
struct KeyGradientScratch {
  Tile k;                 ///< (R, D)
  Tile v;                 ///< (R, D)
  Tile q;                 ///< (R, D)
  Tile dout;              ///< (R, D)
  Tile q_transposed;      ///< (D, R)
  Tile dout_transposed;   ///< (D, R)
  Tile dk;                ///< (R, D)
  Tile dv;                ///< (R, D)
  Tile scores;            ///< (keys R, queries R), k.q, then ds
  Tile weights;           ///< (keys R, queries R), v.dout, then p
  TileColumn q_marks;     ///< (R), of queries that are not finite: see zero_unless_finite
  TileColumn dout_marks;  ///< (R), of queries whose dout is not

  KOKKOS_INLINE_FUNCTION KeyGradientScratch(const TeamMember& member, int level, int head_size)
      : k(member.team_scratch(level), tile_tokens, head_size),
        v(member.team_scratch(level), tile_tokens, head_size),
        q(member.team_scratch(level), tile_tokens, head_size),
        dout(member.team_scratch(level), tile_tokens, head_size),
        q_transposed(member.team_scratch(level), head_size, tile_tokens),
        dout_transposed(member.team_scratch(level), head_size, tile_tokens),
        dk(member.team_scratch(level), tile_tokens, head_size),
        dv(member.team_scratch(level), tile_tokens, head_size),
        scores(member.team_scratch(level), tile_tokens, tile_tokens),
        weights(member.team_scratch(level), tile_tokens, tile_tokens),
        q_marks(member.team_scratch(level), tile_tokens),
        dout_marks(member.team_scratch(level), tile_tokens) {}

  [[nodiscard]] static std::size_t bytes(int head_size) {
    return 6 * Tile::shmem_size(tile_tokens, head_size) + 2 * Tile::shmem_size(head_size, tile_tokens) +
           2 * Tile::shmem_size(tile_tokens, tile_tokens) + 2 * TileColumn::shmem_size(tile_tokens);
  }
};

/// dk_j += sum_i ds_ij q_i and dv_j += sum_i p_ij dout_i. One launch: some (batch, kv head, key tile), one span of
/// queries of all heads that share it.
struct KeyGradientKernel {
  using Scratch = KeyGradientScratch;

  BackwardOperands block;
  StridedView<float, 4> dk;  ///< (B, Tk, Hkv, D)
  StridedView<float, 4> dv;  ///< (B, Tk, Hkv, D)
  int head_size;
  std::int64_t kv_heads;
  LaunchPart part{};

  KOKKOS_INLINE_FUNCTION void operator()(const TeamMember& member) const {
    const std::int64_t tiles = tiles_of(block.key_tokens);
    const std::int64_t index = part.first_tile + member.league_rank();
    const std::int64_t key_begin = index % tiles * tile_tokens;
    const std::int64_t kv_head = index / tiles % kv_heads;
    const std::int64_t b = index / tiles / kv_heads;
    const int rows = tile_size(key_begin, block.key_tokens);
    const std::int64_t first_query = larger(part.walk_begin, block.mask.query_begin(key_begin));
    if (first_query >= part.walk_end) {
      return;
    }
    const Scratch tile(member, part.scratch_level, head_size);
    load(member, block.k, b, key_begin, kv_head, rows, tile.k);
    load(member, block.v, b, key_begin, kv_head, rows, tile.v);
    fill_zero(member, tile.dk);
    fill_zero(member, tile.dv);
    for (std::int64_t h = kv_head * block.heads_per_kv_head; h < (kv_head + 1) * block.heads_per_kv_head; ++h) {
      for (std::int64_t query_begin = first_query; query_begin < part.walk_end; query_begin += tile_tokens) {
        fold_queries(member, tile, b, h, query_begin, tile_size(query_begin, part.walk_end), key_begin, rows);
      }
    }
    member.team_barrier();
    add_to(member, tile.dk, rows, dk, b, key_begin, kv_head);
    add_to(member, tile.dv, rows, dv, b, key_begin, kv_head);
  }

 private:
  /// Adds the share of `columns` queries of one head to the sums of `rows` keys.
  KOKKOS_INLINE_FUNCTION void fold_queries(const TeamMember& member, const Scratch& tile, std::int64_t b,
                                           std::int64_t h, std::int64_t query_begin, int columns,
                                           std::int64_t key_begin, int rows) const {
    const Cover cover = block.mask.cover(member, b, {query_begin, query_begin + columns, key_begin, key_begin + rows});
    if (cover == Cover::none) {
      return;
    }
    member.team_barrier();  // the tile before has been used up
    load(member, block.q, b, query_begin, h, columns, tile.q);
    load(member, block.dout, b, query_begin, h, columns, tile.dout);
    load_transposed(member, block.q, b, query_begin, h, columns, tile.q_transposed);
    load_transposed(member, block.dout, b, query_begin, h, columns, tile.dout_transposed);
    fill_zero(member, tile.scores);
    fill_zero(member, tile.weights);
    member.team_barrier();
    zero_unless_finite(member, tile.q, cover, tile.q_marks);
    zero_unless_finite(member, tile.dout, cover, tile.dout_marks);
    add_product(member, rows, tile.k, tile.q_transposed, tile.scores);
    add_product(member, rows, tile.v, tile.dout_transposed, tile.weights);
    member.team_barrier();
    Kokkos::parallel_for(Kokkos::TeamThreadRange(member, rows), [&](int row) {
      Kokkos::parallel_for(Kokkos::ThreadVectorRange(member, tile_tokens), [&](int column) {
        const std::int64_t i = query_begin + column;
        const bool is_visible =
            column < columns && (cover == Cover::all || block.mask.is_visible(b, i, key_begin + row));
        if (!is_visible || !block.has_seen_a_key(b, h, i)) {
          tile.scores(row, column) = 0.0F;
          tile.weights(row, column) = 0.0F;
          return;
        }
        const float weight = block.weight(tile.scores(row, column), tile.q_marks(column), b, h, i);
        tile.scores(row, column) = block.score_gradient(weight, tile.weights(row, column), block.delta(b, h, i));
        tile.weights(row, column) = weight + tile.dout_marks(column);
      });
    });
    member.team_barrier();
    add_product(member, rows, tile.scores, tile.q, tile.dk);
    add_product(member, rows, tile.weights, tile.dout, tile.dv);
  }
};

}  // namespace ringworld::kokkos
