#pragma once
/// @file  Which parts of a visiting block of keys a rank's queries see.

#include <cstdint>
#include <span>
#include <vector>

#include "sequence/partition.hpp"

namespace ringworld {

/// Consecutive local tokens of a rank; their positions in the sequence may be apart.
struct LocalRange {
  std::int64_t token_local = 0;
  std::int64_t count = 0;
};

/// Queries and keys in the form that the block kernel takes: key `keys.token_local + j` is visible to query
/// `queries.token_local + i` iff j <= i + diagonal (always, when the mask is not causal).
struct BlockPair {
  LocalRange queries;
  LocalRange keys;
  std::int64_t diagonal = 0;
};

/// The visible pairs of blocks between runs of queries and runs of keys, in ascending order of keys. Each visible
/// (query, key) is in exactly one pair. Every pair is a call of the kernel, so runs share one wherever one diagonal is
/// true of all of them.
/// @param queries, keys  consecutive in their ranks, in rising order of tokens, all with the same stride
[[nodiscard]] std::vector<BlockPair> visible_block_pairs(std::span<const TokenRun> queries,
                                                         std::span<const TokenRun> keys, bool is_causal);

/// The visible pairs of blocks between queries of `query_rank` and keys of `key_rank`: in every layout one pair, or
/// none.
///
///   zigzag       own keys     of an earlier rank    of a later rank      E, L: early and late run; rows are queries
///                  E L               E L                  E L
///                E \ .             E # .                E . .            # all visible   \ diagonal   . nothing
///                L # \             L # .                L # #
[[nodiscard]] std::vector<BlockPair> visible_block_pairs(const Partition& partition, std::int64_t query_rank,
                                                         std::int64_t key_rank, bool is_causal);

/// (query, key) pairs in blocks of one mask.
[[nodiscard]] std::int64_t visible_pairs(std::span<const BlockPair> blocks, bool is_causal);

/// (query, key) pairs that `query_rank` computes while it holds the keys of `key_rank`.
[[nodiscard]] std::int64_t visible_pairs_between(const Partition& partition, std::int64_t query_rank,
                                                 std::int64_t key_rank, bool is_causal);

}  // namespace ringworld
