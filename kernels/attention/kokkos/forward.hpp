#pragma once
/// @file  Forward pass: one team folds a range of keys into the state of one tile of queries of one head.
/// Source: Dao, "FlashAttention-2", arXiv:2307.08691, algorithm 1. Deviation: the state comes from memory and goes
/// back there, because the keys of a block are only some of the keys of the sequence.

#include <Kokkos_Core.hpp>
#include <cstdint>

#include "kernels/attention/kokkos/launch.hpp"
#include "kernels/attention/kokkos/tile.hpp"
#include "kernels/attention/kokkos/tile_mask.hpp"
#include "kernels/attention/kokkos/views.hpp"
#include "kernels/elementwise/kokkos/math.hpp"

namespace ringworld::kokkos {

/// Scratch of one team, R = tile_tokens.
struct ForwardScratch {
  Tile q;              ///< (R, D)
  Tile k_transposed;   ///< (D, R)
  Tile v;              ///< (R, D)
  Tile output;         ///< (R, D), not yet divided
  Tile weights;        ///< (R, R), first q.k, then exp(score - maximum)
  TileColumn maximum;  ///< (R)
  TileColumn sum;      ///< (R)
  TileColumn marks;    ///< (R), of keys whose values are not finite: see zero_unless_finite

  KOKKOS_INLINE_FUNCTION ForwardScratch(const TeamMember& member, int level, int head_size)
      : q(member.team_scratch(level), tile_tokens, head_size),
        k_transposed(member.team_scratch(level), head_size, tile_tokens),
        v(member.team_scratch(level), tile_tokens, head_size),
        output(member.team_scratch(level), tile_tokens, head_size),
        weights(member.team_scratch(level), tile_tokens, tile_tokens),
        maximum(member.team_scratch(level), tile_tokens),
        sum(member.team_scratch(level), tile_tokens),
        marks(member.team_scratch(level), tile_tokens) {}

  [[nodiscard]] static std::size_t bytes(int head_size) {
    return 3 * Tile::shmem_size(tile_tokens, head_size) + Tile::shmem_size(head_size, tile_tokens) +
           Tile::shmem_size(tile_tokens, tile_tokens) + 3 * TileColumn::shmem_size(tile_tokens);
  }
};

/// One launch: some (batch, head, query tile), one span of keys.
struct ForwardKernel {
  using Scratch = ForwardScratch;

  ActivationReader q;  ///< (B, Tq, H, D)
  ActivationReader k;  ///< (B, Tk, Hkv, D)
  ActivationReader v;  ///< (B, Tk, Hkv, D)
  StateViews state;
  TileMask mask;
  float scale;
  int head_size;
  std::int64_t heads;
  std::int64_t heads_per_kv_head;
  std::int64_t query_tokens;
  LaunchPart part{};

  KOKKOS_INLINE_FUNCTION void operator()(const TeamMember& member) const {
    const std::int64_t tiles = tiles_of(query_tokens);
    const std::int64_t index = part.first_tile + member.league_rank();
    const std::int64_t query_begin = index % tiles * tile_tokens;
    const std::int64_t h = index / tiles % heads;
    const std::int64_t b = index / tiles / heads;
    const int rows = tile_size(query_begin, query_tokens);
    const std::int64_t key_end = smaller(part.walk_end, mask.key_end(query_begin + rows));
    if (key_end <= part.walk_begin) {
      return;
    }
    const Scratch tile(member, part.scratch_level, head_size);
    load(member, q, b, query_begin, h, rows, tile.q);
    load_state(member, tile, b, h, query_begin, rows);
    for (std::int64_t key_begin = part.walk_begin; key_begin < key_end; key_begin += tile_tokens) {
      const int columns = tile_size(key_begin, key_end);
      const Cover cover = mask.cover(member, b, {query_begin, query_begin + rows, key_begin, key_begin + columns});
      if (cover == Cover::none) {
        continue;
      }
      member.team_barrier();  // the tile before has been used up
      load_transposed(member, k, b, key_begin, h / heads_per_kv_head, columns, tile.k_transposed);
      load(member, v, b, key_begin, h / heads_per_kv_head, columns, tile.v);
      fill_zero(member, tile.weights);
      member.team_barrier();
      zero_unless_finite(member, tile.v, cover, tile.marks);
      add_product(member, rows, tile.q, tile.k_transposed, tile.weights);
      member.team_barrier();
      Kokkos::parallel_for(Kokkos::TeamThreadRange(member, rows), [&](int row) {
        const auto is_visible = [&](int column) {
          return column < columns && (cover == Cover::all || mask.is_visible(b, query_begin + row, key_begin + column));
        };
        weigh_row(member, tile, row, is_visible);
      });
      member.team_barrier();
      add_product(member, rows, tile.weights, tile.v, tile.output);
    }
    member.team_barrier();
    store_state(member, tile, b, h, query_begin, rows);
  }

 private:
  /// Turns a row of products into weights relative to the new maximum, and brings sum and output to it.
  template <class IsVisible>
  KOKKOS_INLINE_FUNCTION void weigh_row(const TeamMember& member, const Scratch& tile, int row,
                                        const IsVisible& is_visible) const {
    const float old_maximum = tile.maximum(row);
    float maximum = minus_infinity;
    Kokkos::parallel_reduce(
        Kokkos::ThreadVectorRange(member, tile_tokens),
        [&](int column, float& largest) {
          const float score =
              is_visible(column) ? scale * tile.weights(row, column) + tile.marks(column) : minus_infinity;
          tile.weights(row, column) = score;
          largest = score > largest ? score : largest;
        },
        Kokkos::Max<float>(maximum));
    // Max starts from the lowest float, or from -inf in later versions of Kokkos: neither is a score.
    const bool sees_a_key = maximum > Kokkos::reduction_identity<float>::max() && maximum > minus_infinity;
    maximum = sees_a_key && maximum > old_maximum ? maximum : old_maximum;
    float added = 0;
    Kokkos::parallel_reduce(
        Kokkos::ThreadVectorRange(member, tile_tokens),
        [&](int column, float& sum) {
          // Hidden scores weigh nothing, also while the maximum is -inf still: -inf - (-inf) is no number. A NaN stays one.
          const float score = tile.weights(row, column);
          const float weight = score == minus_infinity ? 0.0F : exponential(score - maximum);
          tile.weights(row, column) = weight;
          sum += weight;
        },
        added);
    // Without a score to compare, of which a NaN is none, the maximum stays, but a NaN must reach the sum.
    if (added == 0.0F) {
      return;
    }
    const float rescale = maximum > old_maximum ? exponential(old_maximum - maximum) : 1.0F;
    Kokkos::parallel_for(Kokkos::ThreadVectorRange(member, head_size), [&](int d) { tile.output(row, d) *= rescale; });
    Kokkos::single(Kokkos::PerThread(member), [&]() {
      tile.maximum(row) = maximum;
      tile.sum(row) = tile.sum(row) * rescale + added;
    });
  }

  KOKKOS_INLINE_FUNCTION void load_state(const TeamMember& member, const Scratch& tile, std::int64_t b, std::int64_t h,
                                         std::int64_t query_begin, int rows) const {
    Kokkos::parallel_for(Kokkos::TeamThreadRange(member, rows), [&](int row) {
      Kokkos::single(Kokkos::PerThread(member), [&]() {
        tile.maximum(row) = state.maximum(b, h, query_begin + row);
        tile.sum(row) = state.sum(b, h, query_begin + row);
      });
      const bool has_keys = state.maximum(b, h, query_begin + row) != minus_infinity;
      Kokkos::parallel_for(Kokkos::ThreadVectorRange(member, head_size), [&](int d) {
        tile.output(row, d) = has_keys ? state.output(b, h, query_begin + row, d) : 0.0F;
      });
    });
  }

  KOKKOS_INLINE_FUNCTION void store_state(const TeamMember& member, const Scratch& tile, std::int64_t b, std::int64_t h,
                                          std::int64_t query_begin, int rows) const {
    Kokkos::parallel_for(Kokkos::TeamThreadRange(member, rows), [&](int row) {
      Kokkos::single(Kokkos::PerThread(member), [&]() {
        state.maximum(b, h, query_begin + row) = tile.maximum(row);
        state.sum(b, h, query_begin + row) = tile.sum(row);
      });
      Kokkos::parallel_for(Kokkos::ThreadVectorRange(member, head_size),
                           [&](int d) { state.output(b, h, query_begin + row, d) = tile.output(row, d); });
    });
  }
};

}  // namespace ringworld::kokkos
