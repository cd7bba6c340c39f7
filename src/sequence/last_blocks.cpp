#include "sequence/last_blocks.hpp"

#include <algorithm>

namespace ringworld {
namespace {

TokenRange queries_of(const BlockPair& pair) { return {pair.queries.token_local, pair.queries.count}; }

std::int64_t end_of(const TokenRange& range) { return range.begin + range.count; }

bool overlap(const TokenRange& a, const TokenRange& b) { return a.begin < end_of(b) && b.begin < end_of(a); }

/// The tokens that are in none of the disjoint ranges.
std::vector<TokenRange> gaps_between(std::vector<TokenRange> ranges, std::int64_t tokens) {
  std::ranges::sort(ranges, {}, &TokenRange::begin);
  ranges.push_back({.begin = tokens, .count = 0});
  std::vector<TokenRange> gaps;
  std::int64_t begin = 0;
  for (const TokenRange& range : ranges) {
    if (range.begin > begin) {
      gaps.push_back({.begin = begin, .count = range.begin - begin});
    }
    begin = end_of(range);
  }
  return gaps;
}

}  // namespace

LastBlocks find_last_blocks(const std::vector<std::vector<BlockPair>>& steps, std::int64_t tokens) {
  LastBlocks found;
  std::vector<TokenRange> later;  // a step has few different ranges, and every step the same
  std::vector<TokenRange> last;
  for (const auto& pairs : steps) {
    found.is_last.emplace_back(pairs.size());
  }
  for (std::size_t step = steps.size(); step-- > 0;) {
    for (std::size_t index = steps[step].size(); index-- > 0;) {
      const TokenRange queries = queries_of(steps[step][index]);
      if (std::ranges::none_of(later, [&](const TokenRange& other) { return overlap(queries, other); })) {
        found.is_last[step][index] = true;
        last.push_back(queries);
      }
      if (std::ranges::find(later, queries) == later.end()) {
        later.push_back(queries);
      }
    }
  }
  found.left_over = gaps_between(last, tokens);
  return found;
}

}  // namespace ringworld
