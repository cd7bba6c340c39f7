#pragma once
/// @file  How a block is cut: panels of keys, tiles of queries, and which tile sees what.

#include <algorithm>
#include <cstdint>
#include <limits>

#include "kernels/attention/attention.hpp"
#include "kernels/attention/host/document_tiles.hpp"
#include "kernels/attention/host/tile_kernels.hpp"

namespace ringworld::host_attention {

/// The smallest multiple of `lane_padding` that holds `count`.
[[nodiscard]] constexpr std::int64_t padded(std::int64_t count) {
  return (count + lane_padding - 1) / lane_padding * lane_padding;
}

/// What a panel keeps while every query tile passes over it: a second-level cache, and a little more from the third,
/// which streams in. Larger panels mean fewer loads and stores of a query tile's state.
inline constexpr std::int64_t panel_bytes = 1024 * 1024;

inline constexpr std::int64_t most_panel_tiles = 64;

/// Keys of a panel: as many whole tiles as fit, between two and `most_panel_tiles`.
[[nodiscard]] constexpr std::int64_t panel_keys(std::int64_t bytes_per_key) {
  return std::clamp(panel_bytes / bytes_per_key / key_tile, std::int64_t{2}, most_panel_tiles) * key_tile;
}
/// K and V.
[[nodiscard]] constexpr std::int64_t forward_panel_keys(std::int64_t padded_head) {
  return panel_keys(2 * padded_head * static_cast<std::int64_t>(sizeof(Word)));
}
/// K, K^T, V^T, dK^T and dV^T.
[[nodiscard]] constexpr std::int64_t backward_panel_keys(std::int64_t padded_head) {
  return panel_keys(5 * padded_head * static_cast<std::int64_t>(sizeof(Word)));
}

/// Where a tile stands: first query and first key, in tokens of the block.
struct TilePosition {
  std::int64_t batch = 0;
  std::int64_t query = 0;
  std::int64_t key = 0;
};

/// The visible part of one block.
class BlockTiling {
 public:
  BlockTiling(const BlockMask& mask, std::int64_t queries, std::int64_t keys)
      : is_causal_(mask.is_causal), diagonal_(safe_diagonal(mask)), queries_(queries), keys_(keys), documents_(mask) {}

  [[nodiscard]] std::int64_t queries() const { return queries_; }
  [[nodiscard]] std::int64_t keys() const { return keys_; }

  /// The first query of the first tile in which some query sees key `key`.
  [[nodiscard]] std::int64_t first_visible_query(std::int64_t key) const {
    if (!is_causal_) {
      return 0;
    }
    const std::int64_t first = std::clamp<std::int64_t>(key - diagonal_, 0, queries_);
    return first == queries_ ? queries_ : first / query_tile * query_tile;
  }

  /// Fills `tile`; false when no query of the tile sees a key of it.
  [[nodiscard]] bool make_mask(const TilePosition& at, TileMask& tile) const {
    constexpr std::int64_t all_visible = std::numeric_limits<std::int32_t>::max() / 2;
    tile = {.queries = std::min(query_tile, queries_ - at.query),
            .keys = std::min(key_tile, keys_ - at.key),
            .first_query_sees = all_visible};
    tile.query_end = tile.queries;
    if (is_causal_) {
      tile.first_query_sees = std::clamp(at.query + diagonal_ - at.key + 1, -all_visible, all_visible);
      if (tile.first_query_sees + tile.queries - 1 <= 0) {
        return false;
      }
    }
    return documents_.restrict(at.batch, at.query, at.key, tile);
  }

 private:
  /// Any diagonal that a caller may give, within what adding token counts cannot overflow.
  static std::int64_t safe_diagonal(const BlockMask& mask) {
    constexpr std::int64_t bound = std::numeric_limits<std::int64_t>::max() / 4;
    return std::clamp(mask.diagonal, -bound, bound);
  }

  bool is_causal_;
  std::int64_t diagonal_;
  std::int64_t queries_;
  std::int64_t keys_;
  DocumentTiles documents_;
};

/// Rows of strided activations, as `TileKernels::pack` takes them.
[[nodiscard]] inline PackRows rows_of(const ConstActivationView& from, std::int64_t batch, std::int64_t head,
                                      std::int64_t token, std::int64_t rows, Word* target, std::int64_t leading) {
  const std::int64_t offset = batch * from.strides[0] + token * from.strides[1] + head * from.strides[2];
  return {.source = static_cast<const std::byte*>(from.data) + offset * size_of(from.dtype),
          .dtype = from.dtype,
          .row_stride = from.strides[1],
          .rows = rows,
          .columns = from.head_size(),
          .target = target,
          .leading = leading};
}

}  // namespace ringworld::host_attention
