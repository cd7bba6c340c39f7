#pragma once
/// @file  Which parts of a visiting block of keys a rank's queries see, and what balance a layout can reach at best.

#include <cstdint>
#include <vector>

#include "ring/partition.hpp"

namespace ringworld {

/// A run of queries against a run of keys, as the block kernel wants them: key j is visible to query i iff
/// j <= i + diagonal (always, when the mask is not causal).
struct BlockPair {
  Segment queries;
  Segment keys;
  std::int64_t diagonal = 0;
};

/// The pairs of runs of `query_rank` and `key_rank` in which some query sees some key, in rising order of keys.
[[nodiscard]] std::vector<BlockPair> visible_pairs_of_runs(const Partition& partition, std::int64_t query_rank,
                                                           std::int64_t key_rank, bool is_causal);

/// (query, key) pairs that `query_rank` computes while it holds the keys of `key_rank`.
[[nodiscard]] std::int64_t visible_pairs_between(const Partition& partition, std::int64_t query_rank,
                                                 std::int64_t key_rank, bool is_causal);

/// Largest possible share of time that ranks compute when ring steps are in lockstep: all pairs, over P times the sum
/// over steps of the busiest rank's pairs. 1 is perfect balance; contiguous causal gives (P/2) / (P - 1/2) for long
/// sequences.
[[nodiscard]] double layout_efficiency_bound(const Partition& partition, bool is_causal);

}  // namespace ringworld
