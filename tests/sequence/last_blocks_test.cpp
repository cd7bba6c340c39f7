#include "sequence/last_blocks.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/random.hpp"

namespace ringworld::test {
namespace {

using Steps = std::vector<std::vector<BlockPair>>;

bool holds(const BlockPair& pair, std::int64_t token) {
  return token >= pair.queries.token_local && token < pair.queries.token_local + pair.queries.count;
}

/// Token by token: the last pair that has it, if all its tokens have no later one, or else the ranges left over.
void check(const Steps& steps, std::int64_t tokens) {
  const LastBlocks found = find_last_blocks(steps, tokens);
  std::vector<const BlockPair*> all;
  std::vector<bool> is_last;
  ASSERT_EQ(found.is_last.size(), steps.size());
  for (std::size_t step = 0; step < steps.size(); ++step) {
    ASSERT_EQ(found.is_last[step].size(), steps[step].size());
    for (std::size_t index = 0; index < steps[step].size(); ++index) {
      all.push_back(&steps[step][index]);
      is_last.push_back(found.is_last[step][index]);
    }
  }
  for (std::size_t index = 0; index < all.size(); ++index) {
    bool has_later = false;
    for (std::int64_t token = 0; token < tokens; ++token) {
      for (std::size_t later = index + 1; later < all.size(); ++later) {
        has_later = has_later || (holds(*all[index], token) && holds(*all[later], token));
      }
    }
    EXPECT_EQ(is_last[index], !has_later) << "pair " << index << " of " << all.size();
  }
  std::vector<int> writes(static_cast<std::size_t>(tokens));
  for (std::size_t index = 0; index < all.size(); ++index) {
    for (std::int64_t token = 0; token < tokens; ++token) {
      writes[static_cast<std::size_t>(token)] += is_last[index] && holds(*all[index], token) ? 1 : 0;
    }
  }
  std::int64_t end = 0;
  for (const TokenRange& range : found.left_over) {
    EXPECT_GE(range.begin, end);
    EXPECT_GT(range.count, 0);
    end = range.begin + range.count;
    ASSERT_LE(end, tokens);
    for (std::int64_t token = range.begin; token < end; ++token) {
      ++writes[static_cast<std::size_t>(token)];
    }
  }
  EXPECT_EQ(writes, std::vector<int>(static_cast<std::size_t>(tokens), 1)) << "a token is written not exactly once";
}

/// The pairs of a rank's queries, in the order in which keys come round the ring.
Steps steps_of(const Partition& partition, std::int64_t rank, bool is_causal) {
  Steps steps;
  for (std::int64_t step = 0; step < partition.ranks(); ++step) {
    const std::int64_t origin = (rank - step + partition.ranks()) % partition.ranks();
    steps.push_back(visible_block_pairs(partition, rank, origin, is_causal));
  }
  return steps;
}

TEST(LastBlocks, WriteEveryQueryOnceInEveryLayout) {
  for (const Layout layout : {Layout::contiguous, Layout::striped, Layout::zigzag}) {
    for (const std::int64_t ranks : {1, 2, 3, 4, 6}) {
      for (const std::int64_t context_length : {1, 3, 5, 12, 24, 29, 48}) {
        const Partition partition(layout, context_length, ranks);
        for (std::int64_t rank = 0; rank < ranks; ++rank) {
          for (const bool is_causal : {false, true}) {
            SCOPED_TRACE(std::string(name_of(layout)) + " " + std::to_string(context_length) + " tokens, rank " +
                         std::to_string(rank) + " of " + std::to_string(ranks) + (is_causal ? ", causal" : ""));
            check(steps_of(partition, rank, is_causal), partition.tokens(rank));
          }
        }
      }
    }
  }
}

TEST(LastBlocks, OfRanksOfOneRunLeaveNothingOver) {
  for (const bool is_causal : {false, true}) {
    for (const Layout layout : {Layout::contiguous, Layout::striped}) {
      const Partition partition(layout, 24, 4);
      for (std::int64_t rank = 0; rank < 4; ++rank) {
        EXPECT_TRUE(find_last_blocks(steps_of(partition, rank, is_causal), partition.tokens(rank)).left_over.empty());
      }
    }
  }
}

TEST(LastBlocks, OfAnyOverlapsWriteEveryQueryOnce) {
  constexpr std::int64_t tokens = 9;
  const CounterRng rng(7, 0);
  std::uint64_t next = 0;
  const auto draw = [&](std::int64_t end) {
    return static_cast<std::int64_t>(rng.integer(next++, static_cast<std::uint64_t>(end)));
  };
  for (int trial = 0; trial < 300; ++trial) {
    SCOPED_TRACE(trial);
    Steps steps(static_cast<std::size_t>(draw(4)));
    for (auto& pairs : steps) {
      pairs.resize(static_cast<std::size_t>(draw(4)));
      for (BlockPair& pair : pairs) {
        pair.queries.token_local = draw(tokens);
        pair.queries.count = 1 + draw(tokens - pair.queries.token_local);
      }
    }
    check(steps, tokens);
  }
}

}  // namespace
}  // namespace ringworld::test
