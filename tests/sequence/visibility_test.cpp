/// @file  Which parts of which blocks see each other, against looking at every pair of tokens.

#include "sequence/visibility.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "core/random.hpp"
#include "support/layouts.hpp"

namespace ringworld::test {
namespace {

/// The tokens of runs, in local order.
std::vector<std::int64_t> tokens_of(const std::vector<TokenRun>& runs) {
  std::vector<std::int64_t> tokens;
  for (const TokenRun& run : runs) {
    EXPECT_EQ(run.token_local, std::ssize(tokens)) << "runs of a rank follow each other";
    for (std::int64_t index = 0; index < run.count; ++index) {
      tokens.push_back(run.token + index * run.stride);
    }
  }
  return tokens;
}

std::int64_t count_visible(const Partition& partition, std::int64_t query_rank, std::int64_t key_rank, bool is_causal) {
  std::int64_t count = 0;
  for (const std::int64_t query : tokens_of(partition.runs(query_rank))) {
    for (const std::int64_t key : tokens_of(partition.runs(key_rank))) {
      count += !is_causal || key <= query ? 1 : 0;
    }
  }
  return count;
}

/// Calls `function(partition, is_causal)` for small sequences.
template <class Function>
void for_each_small_case(Function&& function) {
  for (const Layout layout : layouts) {
    for (const std::int64_t ranks : {1, 2, 3, 4, 5, 6, 7, 8}) {
      for (const std::int64_t length : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 50, 64}) {
        for (const bool is_causal : {true, false}) {
          SCOPED_TRACE(fmt::format("{} S={} P={} causal={}", name_of(layout), length, ranks, is_causal));
          function(Partition(layout, length, ranks), is_causal);
        }
      }
    }
  }
}

template <class Function>
void for_each_pair_of_ranks(const Partition& partition, Function&& function) {
  for (std::int64_t query_rank = 0; query_rank < partition.ranks(); ++query_rank) {
    for (std::int64_t key_rank = 0; key_rank < partition.ranks(); ++key_rank) {
      function(query_rank, key_rank);
    }
  }
}

TEST(Schedule, VisiblePairsEqualCounting) {
  for_each_small_case([](const Partition& partition, bool is_causal) {
    std::int64_t total = 0;
    for_each_pair_of_ranks(partition, [&](std::int64_t query_rank, std::int64_t key_rank) {
      const std::int64_t pairs = visible_pairs_between(partition, query_rank, key_rank, is_causal);
      EXPECT_EQ(pairs, count_visible(partition, query_rank, key_rank, is_causal));
      total += pairs;
    });
    const std::int64_t length = partition.context_length();
    EXPECT_EQ(total, is_causal ? length * (length + 1) / 2 : length * length);
  });
}

/// Expects that the pairs show each visible (query, key) once and no other, none of them for nothing, keys in rising order.
void expect_exactly_the_visible(const std::vector<BlockPair>& pairs, const std::vector<TokenRun>& query_runs,
                                const std::vector<TokenRun>& key_runs, bool is_causal) {
  const auto queries = tokens_of(query_runs);
  const auto keys = tokens_of(key_runs);
  std::vector<char> shown(queries.size() * keys.size(), 0);
  for (const BlockPair& pair : pairs) {
    std::int64_t visible = 0;
    for (std::int64_t i = 0; i < pair.queries.count; ++i) {
      for (std::int64_t j = 0; j < pair.keys.count; ++j) {
        if (is_causal && j > i + pair.diagonal) {
          continue;
        }
        ASSERT_LT(pair.keys.token_local + j, std::ssize(keys));
        const std::int64_t at = (pair.queries.token_local + i) * std::ssize(keys) + pair.keys.token_local + j;
        ++shown.at(static_cast<std::size_t>(at));
        ++visible;
      }
    }
    EXPECT_GT(visible, 0) << "a pair of blocks in which nothing is visible is work for nothing";
  }
  for (std::size_t i = 0; i < queries.size(); ++i) {
    for (std::size_t j = 0; j < keys.size(); ++j) {
      const int expected = !is_causal || keys[j] <= queries[i] ? 1 : 0;
      ASSERT_EQ(static_cast<int>(shown[i * keys.size() + j]), expected)
          << "query " << queries[i] << ", key " << keys[j];
    }
  }
  EXPECT_TRUE(std::ranges::is_sorted(pairs, {}, [](const BlockPair& pair) { return pair.keys.token_local; }));
}

TEST(Schedule, BlocksShowExactlyTheVisibleKeysInOneCallOfTheKernel) {
  for_each_small_case([](const Partition& partition, bool is_causal) {
    for_each_pair_of_ranks(partition, [&](std::int64_t query_rank, std::int64_t key_rank) {
      SCOPED_TRACE(fmt::format("queries of rank {}, keys of rank {}", query_rank, key_rank));
      const auto pairs = visible_block_pairs(partition, query_rank, key_rank, is_causal);
      expect_exactly_the_visible(pairs, partition.runs(query_rank), partition.runs(key_rank), is_causal);
      EXPECT_EQ(std::ssize(pairs), count_visible(partition, query_rank, key_rank, is_causal) > 0 ? 1 : 0);
    });
  });
}

/// Runs of random lengths and gaps, all of one stride and phase relation as a partition's are.
std::vector<TokenRun> draw_runs(const CounterRng& rng, std::uint64_t stream, std::int64_t stride) {
  const auto draw = [&](std::uint64_t index, std::int64_t choices) {
    return static_cast<std::int64_t>(rng.integer(stream * 100 + index, static_cast<std::uint64_t>(choices)));
  };
  std::vector<TokenRun> runs;
  std::int64_t token_local = 0;
  std::int64_t token = draw(0, 8);
  for (std::uint64_t run = 0; run < static_cast<std::uint64_t>(1 + draw(1, 4)); ++run) {
    const std::int64_t count = 1 + draw(2 + 2 * run, 5);
    runs.push_back({.token_local = token_local, .token = token, .stride = stride, .count = count});
    token_local += count;
    token += count * stride + draw(3 + 2 * run, 8);
  }
  return runs;
}

TEST(Schedule, AnyRunsAreCutIntoBlocksOfOneDiagonal) {
  std::size_t most = 0;
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    const CounterRng rng(seed, 7);
    const std::int64_t stride = 1 + static_cast<std::int64_t>(rng.integer(0, 3));
    const auto queries = draw_runs(rng, 1, stride);
    const auto keys = draw_runs(rng, 2, stride);
    for (const bool is_causal : {true, false}) {
      SCOPED_TRACE(fmt::format("seed {} causal={}", seed, is_causal));
      const auto pairs = visible_block_pairs(queries, keys, is_causal);
      expect_exactly_the_visible(pairs, queries, keys, is_causal);
      EXPECT_LE(pairs.size(), is_causal ? queries.size() * keys.size() : 1);
      most = std::max(most, pairs.size());
    }
  }
  EXPECT_GT(most, 2) << "the runs drawn are too tame to be cut";
}

}  // namespace
}  // namespace ringworld::test
