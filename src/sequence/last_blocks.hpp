#pragma once
/// @file  Which blocks of a forward pass are the last ones for their queries: these blocks write the final result.
///
///   zigzag, P = 2, rank 0     early queries   late queries
///     step 0, own keys             x               x
///     step 1, rank 1's keys                        x            the last of the late queries
///                             left over

#include <cstdint>
#include <vector>

#include "sequence/visibility.hpp"

namespace ringworld {

/// Local tokens `begin <= t < begin + count` of a rank.
struct TokenRange {
  std::int64_t begin = 0;
  std::int64_t count = 0;

  friend bool operator==(const TokenRange&, const TokenRange&) = default;
};

struct LastBlocks {
  /// For each pair of each step: whether no later pair contains one of its queries. Every query is in at most one such
  /// pair.
  std::vector<std::vector<bool>> is_last;
  /// The queries that are in no pair, in ascending order.
  std::vector<TokenRange> left_over;
};

/// @param steps  the pairs of each step, in the order in which they are computed; their queries may overlap in any way
/// @param tokens  of the rank whose queries they are
[[nodiscard]] LastBlocks find_last_blocks(const std::vector<std::vector<BlockPair>>& steps, std::int64_t tokens);

}  // namespace ringworld
