#pragma once
/// @file  Which scores of a tile are visible, and whether a tile need be computed at all.
///
///              keys ->                     a tile above the diagonal is skipped, one below it needs no mask,
///          +---+---+---+---+               and only those that the diagonal cuts are looked at score by score
///  queries | d |   |   |   |
///     |    +---+---+---+---+               a all   d diagonal   (blank) none
///     v    | a | d |   |   |
///          +---+---+---+---+
///          | a | a | d |   |
///          +---+---+---+---+

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cstdint>

#include "kernels/attention/attention.hpp"
#include "kernels/attention/kokkos/views.hpp"

namespace ringworld::kokkos {

/// How much of a tile is visible.
enum class Cover : std::uint8_t { none, some, all };

/// Queries and keys that meet in a tile, as indices in the block.
struct TileBounds {
  std::int64_t query_begin;
  std::int64_t query_end;
  std::int64_t key_begin;
  std::int64_t key_end;
};

/// BlockMask on the execution space.
class TileMask {
 public:
  TileMask(const BlockMask& mask, std::int64_t query_tokens, std::int64_t key_tokens)
      // Beyond these limits a diagonal changes nothing; within them, sums with indices cannot overflow.
      : diagonal_(mask.is_causal ? std::clamp(mask.diagonal, -query_tokens, key_tokens) : key_tokens),
        has_documents_(mask.has_documents()) {
    if (has_documents_) {
      query_document_ids_ = view_of(mask.query_document_ids);
      key_document_ids_ = view_of(mask.key_document_ids);
    }
  }

  KOKKOS_INLINE_FUNCTION bool is_visible(std::int64_t b, std::int64_t i, std::int64_t j) const {
    if (j > i + diagonal_) {
      return false;
    }
    return !has_documents_ || (query_document_ids_(b, i) >= 0 && query_document_ids_(b, i) == key_document_ids_(b, j));
  }

  /// The keys before this one may be visible to queries before `query_end`, those from it on are not.
  KOKKOS_INLINE_FUNCTION std::int64_t key_end(std::int64_t query_end) const { return query_end + diagonal_; }

  /// The first query that may see a key at or after `key_begin`.
  KOKKOS_INLINE_FUNCTION std::int64_t query_begin(std::int64_t key_begin) const { return key_begin - diagonal_; }

  /// Every member of the team gets the same answer.
  template <class Member>
  KOKKOS_INLINE_FUNCTION Cover cover(const Member& member, std::int64_t b, const TileBounds& tile) const {
    if (tile.key_begin > tile.query_end - 1 + diagonal_) {
      return Cover::none;
    }
    const bool is_below_diagonal = tile.key_end - 1 <= tile.query_begin + diagonal_;
    if (!has_documents_) {
      return is_below_diagonal ? Cover::all : Cover::some;
    }
    const DocumentRange queries = documents(member, query_document_ids_, b, tile.query_begin, tile.query_end);
    const DocumentRange keys = documents(member, key_document_ids_, b, tile.key_begin, tile.key_end);
    const bool is_disjoint = queries.max_val < keys.min_val || keys.max_val < queries.min_val;
    if (is_disjoint || queries.max_val < 0) {
      return Cover::none;
    }
    // Ranges overlap, so one document in each means the same document, and not padding.
    const bool is_one_document = queries.min_val == queries.max_val && keys.min_val == keys.max_val;
    return is_below_diagonal && is_one_document ? Cover::all : Cover::some;
  }

 private:
  using DocumentRange = Kokkos::MinMaxScalar<std::int32_t>;

  template <class Member>
  KOKKOS_INLINE_FUNCTION static DocumentRange documents(const Member& member,
                                                        const StridedView<const std::int32_t, 2>& document_ids,
                                                        std::int64_t b, std::int64_t begin, std::int64_t end) {
    DocumentRange range;
    Kokkos::parallel_reduce(
        Kokkos::TeamThreadRange(member, static_cast<int>(end - begin)),
        [&](int offset, DocumentRange& part) {
          const std::int32_t document = document_ids(b, begin + offset);
          part.min_val = document < part.min_val ? document : part.min_val;
          part.max_val = document > part.max_val ? document : part.max_val;
        },
        Kokkos::MinMax<std::int32_t>(range));
    return range;
  }

  std::int64_t diagonal_;
  bool has_documents_;
  StridedView<const std::int32_t, 2> query_document_ids_;
  StridedView<const std::int32_t, 2> key_document_ids_;
};

}  // namespace ringworld::kokkos
