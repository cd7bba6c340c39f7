#include "ring/schedule.hpp"

#include <algorithm>

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

}  // namespace

std::vector<BlockPair> visible_pairs_of_runs(const Partition& partition, std::int64_t query_rank, std::int64_t key_rank,
                                             bool is_causal) {
  std::vector<BlockPair> pairs;
  for (const Segment& keys : partition.segments(key_rank)) {
    for (const Segment& queries : partition.segments(query_rank)) {
      const std::int64_t diagonal = floor_divide(queries.token - keys.token, queries.stride);
      const bool is_visible = !is_causal || queries.count - 1 + diagonal >= 0;
      if (is_visible) {
        pairs.push_back({queries, keys, diagonal});
      }
    }
  }
  return pairs;
}

std::int64_t visible_pairs_between(const Partition& partition, std::int64_t query_rank, std::int64_t key_rank,
                                   bool is_causal) {
  std::int64_t total = 0;
  for (const BlockPair& pair : visible_pairs_of_runs(partition, query_rank, key_rank, is_causal)) {
    total += is_causal ? pairs_below_diagonal(pair.queries.count, pair.keys.count, pair.diagonal)
                       : pair.queries.count * pair.keys.count;
  }
  return total;
}

double layout_efficiency_bound(const Partition& partition, bool is_causal) {
  const std::int64_t ranks = partition.ranks();
  double all = 0;
  double busiest = 0;
  for (std::int64_t step = 0; step < ranks; ++step) {
    std::int64_t most = 0;
    for (std::int64_t rank = 0; rank < ranks; ++rank) {
      const std::int64_t pairs = visible_pairs_between(partition, rank, (rank + ranks - step) % ranks, is_causal);
      most = std::max(most, pairs);
      all += static_cast<double>(pairs);
    }
    busiest += static_cast<double>(most);
  }
  return all / (static_cast<double>(ranks) * busiest);
}

}  // namespace ringworld
