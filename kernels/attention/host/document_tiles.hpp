#pragma once
/// @file  The documents of a block's tokens, cut into tiles.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/attention/attention.hpp"
#include "kernels/attention/host/tile_kernels.hpp"

namespace ringworld::host_attention {

/// Copies of the document ids of all sequences, padded to whole tiles, with the range of ids of each tile.
///
///   keys      | a a a b b b b c |    Ids rise, so that of two tiles that share a document only the last keys and the
///   queries   | c c d d d d e e |    first queries meet: a strip of the 64 x 64 pairs is computed. Where many
///               '-' see '- this      short documents stand in a row, that spares nearly half of the work of attention.
class DocumentTiles {
 public:
  explicit DocumentTiles(const BlockMask& mask) : has_documents_(mask.has_documents()) {
    if (has_documents_) {
      queries_.assign(mask.query_document_ids, query_tile);
      keys_.assign(mask.key_document_ids, key_tile);
    }
  }

  /// Adds the ids to `tile` where a document ends inside it, and bounds the tokens that meet, `key_begin` and
  /// `query_end`. False when no query of the tile sees a key of it.
  [[nodiscard]] bool restrict(std::int64_t batch, std::int64_t query, std::int64_t key, TileMask& tile) const {
    if (!has_documents_) {
      return true;
    }
    const Range& queries = queries_.range(batch, query);
    const Range& keys = keys_.range(batch, key);
    if (queries.smallest > keys.largest || keys.smallest > queries.largest) {
      return false;
    }
    const bool is_one_document = queries.smallest >= 0 && queries.smallest == queries.largest &&
                                 keys.smallest == keys.largest && queries.smallest == keys.smallest;
    if (!is_one_document) {
      tile.query_document_ids = queries_.ids(batch, query);
      tile.key_document_ids = keys_.ids(batch, key);
      const auto meets = [](const Range& range) {
        return [range](std::int32_t id) { return id >= range.smallest && id <= range.largest && id >= 0; };
      };
      while (tile.key_begin < tile.keys && !meets(queries)(tile.key_document_ids[tile.key_begin])) {
        ++tile.key_begin;
      }
      while (tile.query_end > 0 && !meets(keys)(tile.query_document_ids[tile.query_end - 1])) {
        --tile.query_end;
      }
      return tile.key_begin < tile.keys && tile.query_end > 0;
    }
    return true;
  }

 private:
  /// Smallest and largest id of a tile.
  struct Range {
    std::int32_t smallest = 0;
    std::int32_t largest = 0;
  };

  class Side {
   public:
    void assign(const TensorView<const std::int32_t, 2>& ids, std::int64_t tile) {
      const std::int64_t count = ids.shape[1];
      tile_ = tile;
      tiles_ = (count + tile - 1) / tile;
      ids_.assign(static_cast<std::size_t>(ids.shape[0] * tiles_ * tile), -1);
      ranges_.reserve(static_cast<std::size_t>(ids.shape[0] * tiles_));
      for (std::int64_t batch = 0; batch < ids.shape[0]; ++batch) {
        const auto first = ids_.begin() + batch * tiles_ * tile;
        for (std::int64_t token = 0; token < count; ++token) {
          first[token] = ids(batch, token);
        }
        for (std::int64_t token = 0; token < count; token += tile) {
          const auto [low, high] = std::minmax_element(first + token, first + std::min(token + tile, count));
          ranges_.push_back({*low, *high});
        }
      }
    }
    [[nodiscard]] const std::int32_t* ids(std::int64_t batch, std::int64_t token) const {
      return ids_.data() + batch * tiles_ * tile_ + token;
    }
    [[nodiscard]] const Range& range(std::int64_t batch, std::int64_t token) const {
      return ranges_[static_cast<std::size_t>(batch * tiles_ + token / tile_)];
    }

   private:
    std::int64_t tile_ = 1;
    std::int64_t tiles_ = 0;
    std::vector<std::int32_t> ids_;
    std::vector<Range> ranges_;
  };

  bool has_documents_;
  Side queries_;
  Side keys_;
};

}  // namespace ringworld::host_attention
