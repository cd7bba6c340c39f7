#include "sequence/visibility.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <span>

namespace ringworld {
namespace {

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  const std::int64_t quotient = a / b;
  return quotient * b > a ? quotient - 1 : quotient;
}

/// Pairs (i, j), 0 <= i < queries, 0 <= j < keys, with j <= i + diagonal.
std::int64_t pairs_below_diagonal(std::int64_t queries, std::int64_t keys, std::int64_t diagonal) {
  // Query i sees clamp(i + diagonal + 1, 0, keys) keys: none before `first`, a growing number, all from `full` on.
  const std::int64_t first = std::clamp<std::int64_t>(-diagonal, 0, queries);
  const std::int64_t full = std::clamp<std::int64_t>(keys - diagonal - 1, first, queries);
  const std::int64_t growing = full - first;
  return growing * (first + diagonal + 1) + growing * (growing - 1) / 2 + (queries - full) * keys;
}

using Runs = std::span<const TokenRun>;

/// The diagonals D for which "local key <= local query + D" shows a block as it is: one where the mask cuts it, many
/// where the block is full or empty.
struct DiagonalRange {
  std::int64_t least = std::numeric_limits<std::int64_t>::min();
  std::int64_t most = std::numeric_limits<std::int64_t>::max();
};

DiagonalRange diagonals_of(const TokenRun& queries, const TokenRun& keys, bool is_causal) {
  const std::int64_t diagonal = floor_divide(queries.token - keys.token, queries.stride);
  const std::int64_t shift = keys.token_local - queries.token_local;  // from indices in the runs to those of the ranks
  if (!is_causal || diagonal >= keys.count - 1) {
    return {.least = shift + keys.count - 1};
  }
  if (diagonal < 1 - queries.count) {
    return {.most = shift - queries.count};
  }
  return {.least = shift + diagonal, .most = shift + diagonal};
}

/// The diagonal that serves all pairs of these runs, if there is one.
std::optional<std::int64_t> common_diagonal(Runs queries, Runs keys, bool is_causal) {
  DiagonalRange common;
  for (const TokenRun& query_run : queries) {
    for (const TokenRun& key_run : keys) {
      const DiagonalRange range = diagonals_of(query_run, key_run, is_causal);
      common.least = std::max(common.least, range.least);
      common.most = std::min(common.most, range.most);
    }
  }
  return common.least <= common.most ? std::optional(common.least) : std::nullopt;
}

LocalRange joined(Runs runs) {
  return {runs.front().token_local, runs.back().token_local + runs.back().count - runs.front().token_local};
}

/// Leaves out, from both ends of `runs`, those for which `is_visible(run)` is false.
template <class Predicate>
Runs trimmed(Runs runs, Predicate&& is_visible) {
  while (!runs.empty() && !is_visible(runs.front())) {
    runs = runs.subspan(1);
  }
  while (!runs.empty() && !is_visible(runs.back())) {
    runs = runs.first(runs.size() - 1);
  }
  return runs;
}

/// Cuts a block until each part has one diagonal, which a part of one run of queries and one run of keys always has.
void append_blocks(Runs queries, Runs keys, bool is_causal, std::vector<BlockPair>& blocks) {
  const auto is_seen = [&](const TokenRun& query_run, const TokenRun& key_run) {
    return !is_causal || key_run.token <= query_run.token + (query_run.count - 1) * query_run.stride;
  };
  keys = trimmed(keys, [&](const TokenRun& key_run) {
    return std::ranges::any_of(queries, [&](const TokenRun& query_run) { return is_seen(query_run, key_run); });
  });
  queries = trimmed(queries, [&](const TokenRun& query_run) {
    return std::ranges::any_of(keys, [&](const TokenRun& key_run) { return is_seen(query_run, key_run); });
  });
  if (keys.empty()) {
    return;
  }
  if (const auto diagonal = common_diagonal(queries, keys, is_causal)) {
    const LocalRange query_range = joined(queries);
    const LocalRange key_range = joined(keys);
    blocks.push_back({query_range, key_range, *diagonal + query_range.token_local - key_range.token_local});
  } else if (keys.size() > 1) {
    append_blocks(queries, keys.first(keys.size() / 2), is_causal, blocks);
    append_blocks(queries, keys.subspan(keys.size() / 2), is_causal, blocks);
  } else {
    append_blocks(queries.first(queries.size() / 2), keys, is_causal, blocks);
    append_blocks(queries.subspan(queries.size() / 2), keys, is_causal, blocks);
  }
}

}  // namespace

std::vector<BlockPair> visible_block_pairs(std::span<const TokenRun> queries, std::span<const TokenRun> keys,
                                           bool is_causal) {
  std::vector<BlockPair> blocks;
  append_blocks(queries, keys, is_causal, blocks);
  return blocks;
}

std::vector<BlockPair> visible_block_pairs(const Partition& partition, std::int64_t query_rank, std::int64_t key_rank,
                                           bool is_causal) {
  return visible_block_pairs(partition.runs(query_rank), partition.runs(key_rank), is_causal);
}

std::int64_t visible_pairs(std::span<const BlockPair> blocks, bool is_causal) {
  std::int64_t total = 0;
  for (const BlockPair& pair : blocks) {
    total += is_causal ? pairs_below_diagonal(pair.queries.count, pair.keys.count, pair.diagonal)
                       : pair.queries.count * pair.keys.count;
  }
  return total;
}

std::int64_t visible_pairs_between(const Partition& partition, std::int64_t query_rank, std::int64_t key_rank,
                                   bool is_causal) {
  return visible_pairs(visible_block_pairs(partition, query_rank, key_rank, is_causal), is_causal);
}

}  // namespace ringworld
