#pragma once
/// @file  Which scores of a tile are visible, and whether a tile need be computed at all.
///
///              keys ->                     a tile above the diagonal is skipped, one below it runs without mask code,
///          +---+---+---+---+               and only those that the diagonal, the end of the keys or documents cut are
///  queries | d |   |   |   |               looked at score by score
///     |    +---+---+---+---+
///     v    | a | d |   |   |               a all   d some   (blank) none
///          +---+---+---+---+
///          | a | a | d |   |
///          +---+---+---+---+

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

#include "kernels/attention/attention.hpp"

namespace ringworld::cuda {

/// How much of a tile is visible.
enum class Cover : std::uint8_t { none, some, all };

/// Tokens `begin <= t < end` of one side.
struct TokenRange {
  int begin;
  int end;
};

/// The smallest and largest document id of a range of tokens.
struct DocumentRange {
  std::int32_t smallest;
  std::int32_t largest;
};

/// Document ids (B, T) of one side in device memory.
struct Documents {
  const std::int32_t* data = nullptr;
  std::int64_t batch_stride = 0;
  std::int64_t token_stride = 0;

  __device__ std::int32_t at(int b, int t) const { return data[b * batch_stride + t * token_stride]; }

  /// Called by a whole warp; every lane gets the same answer.
  __device__ DocumentRange range(int b, TokenRange tokens) const {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    DocumentRange found{at(b, tokens.begin), at(b, tokens.begin)};
    for (int t = tokens.begin + lane; t < tokens.end; t += 32) {
      const std::int32_t id = at(b, t);
      found.smallest = min(found.smallest, id);
      found.largest = max(found.largest, id);
    }
    for (int distance = 16; distance > 0; distance /= 2) {
      found.smallest = min(found.smallest, __shfl_xor_sync(0xffffffffU, found.smallest, distance));
      found.largest = max(found.largest, __shfl_xor_sync(0xffffffffU, found.largest, distance));
    }
    return found;
  }
};

/// BlockMask on the device, the ends of the tokens included.
struct TileMask {
  int query_tokens;
  int key_tokens;
  int diagonal;  ///< key j is visible to query i only if j <= i + diagonal
  Documents queries;
  Documents keys;

  /// The documents of a tile for `cover`; nothing is read where there are none.
  /// @pre the range holds a token that exists; called by whole warps, all of a block with the same range
  __device__ DocumentRange query_documents(int b, TokenRange tile) const {
    return has_documents() ? queries.range(b, {tile.begin, min(tile.end, query_tokens)}) : DocumentRange{0, 0};
  }
  __device__ DocumentRange key_documents(int b, TokenRange tile) const {
    return has_documents() ? keys.range(b, {tile.begin, min(tile.end, key_tokens)}) : DocumentRange{0, 0};
  }

  /// How much of the tile where `query` meets `key` is visible, by its diagonal and its documents.
  __device__ Cover cover(TokenRange query, DocumentRange of_query, TokenRange key, DocumentRange of_key) const {
    const bool is_above_diagonal = key.begin > min(query.end, query_tokens) - 1 + diagonal;
    const bool is_disjoint = of_query.largest < of_key.smallest || of_key.largest < of_query.smallest;
    if (is_above_diagonal || is_disjoint || of_query.largest < 0) {
      return Cover::none;
    }
    const bool is_below_diagonal = key.end <= key_tokens && key.end - 1 <= query.begin + diagonal;
    // Ranges overlap, so one document in each means the same document, and not padding.
    const bool is_one_document = of_query.smallest == of_query.largest && of_key.smallest == of_key.largest;
    return is_below_diagonal && is_one_document ? Cover::all : Cover::some;
  }

  /// Keys from this one on are not visible to the query, by the diagonal or because they do not exist.
  __device__ int key_end(int query) const { return min(key_tokens, query + diagonal + 1); }

  /// Queries before this one do not see the key.
  __device__ int query_begin(int key) const { return key < key_tokens ? key - diagonal : query_tokens; }

  __device__ bool has_documents() const { return queries.data != nullptr; }

  /// Whether a query and a key belong together, whatever the diagonal; tokens that do not exist belong to nothing.
  /// @pre has_documents
  __device__ bool is_same_document(int b, int query, int key) const {
    if (query >= query_tokens || key >= key_tokens) {
      return false;
    }
    const std::int32_t document = queries.at(b, query);
    return document >= 0 && document == keys.at(b, key);
  }

  /// All that makes a score visible.
  __device__ bool is_visible(int b, int query, int key) const {
    return query < query_tokens && key < key_end(query) && (!has_documents() || is_same_document(b, query, key));
  }
};

[[nodiscard]] inline Documents documents_of(const TensorView<const std::int32_t, 2>& document_ids) {
  return {document_ids.data, document_ids.strides[0], document_ids.strides[1]};
}

[[nodiscard]] inline TileMask tile_mask_of(const BlockMask& mask, std::int64_t query_tokens, std::int64_t key_tokens) {
  // Beyond these limits a diagonal changes nothing; within them, sums with indices fit an int.
  const std::int64_t diagonal = mask.is_causal ? std::clamp(mask.diagonal, -query_tokens, key_tokens) : key_tokens;
  return {.query_tokens = static_cast<int>(query_tokens),
          .key_tokens = static_cast<int>(key_tokens),
          .diagonal = static_cast<int>(diagonal),
          .queries = documents_of(mask.query_document_ids),
          .keys = documents_of(mask.key_document_ids)};
}

}  // namespace ringworld::cuda
