#pragma once
/// @file  Which parts of a visiting block of keys a rank's queries see, and what balance a layout can reach at best.

#include <cstdint>
#include <span>
#include <vector>

#include "ring/partition.hpp"

namespace ringworld {

/// Consecutive tokens of a rank, whatever their places in the sequence.
struct LocalRange {
  std::int64_t token_local = 0;
  std::int64_t count = 0;
};

/// Queries against keys, as the block kernel wants them: key `keys.token_local + j` is visible to query
/// `queries.token_local + i` iff j <= i + diagonal (always, when the mask is not causal).
struct BlockPair {
  LocalRange queries;
  LocalRange keys;
  std::int64_t diagonal = 0;
};

/// What some runs of queries see of some runs of keys, each visible (query, key) in one pair of blocks, in rising order of
/// keys. Every pair is a call of the kernel, so runs share one wherever one diagonal is true of all of them.
/// @param queries, keys  consecutive in their ranks, in rising order of tokens, all with the same stride
[[nodiscard]] std::vector<BlockPair> visible_block_pairs(std::span<const Segment> queries,
                                                         std::span<const Segment> keys, bool is_causal);

/// What the queries of `query_rank` see of the keys of `key_rank`: in every layout one pair of blocks, or none.
///
///   zigzag       own keys     of an earlier rank    of a later rank      E, L: early and late run; rows are queries
///                  E L               E L                  E L
///                E \ .             E # .                E . .            # all visible   \ diagonal   . nothing
///                L # \             L # .                L # #
[[nodiscard]] std::vector<BlockPair> visible_block_pairs(const Partition& partition, std::int64_t query_rank,
                                                         std::int64_t key_rank, bool is_causal);

/// (query, key) pairs that `query_rank` computes while it holds the keys of `key_rank`.
[[nodiscard]] std::int64_t visible_pairs_between(const Partition& partition, std::int64_t query_rank,
                                                 std::int64_t key_rank, bool is_causal);

/// Largest possible share of time that ranks compute when ring steps are in lockstep: all pairs, over P times the sum
/// over steps of the busiest rank's pairs. 1 is perfect balance; contiguous causal gives (P/2) / (P - 1/2) for long
/// sequences.
[[nodiscard]] double layout_efficiency_bound(const Partition& partition, bool is_causal);

}  // namespace ringworld
