#include "sequence/partition.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "support/expect_error.hpp"
#include "support/layouts.hpp"

namespace ringworld::test {
namespace {

/// The rank that holds each token; fails when a token is held by none or twice.
std::vector<std::int64_t> holders(const Partition& partition) {
  std::vector<std::int64_t> holder(static_cast<std::size_t>(partition.context_length()), -1);
  for (std::int64_t rank = 0; rank < partition.ranks(); ++rank) {
    for (const TokenRun& run : partition.runs(rank)) {
      for (std::int64_t index = 0; index < run.count; ++index) {
        std::int64_t& found = holder.at(static_cast<std::size_t>(run.token + index * run.stride));
        EXPECT_EQ(found, -1) << "a token is held twice";
        found = rank;
      }
    }
  }
  EXPECT_EQ(std::ranges::count(holder, -1), 0) << "a token is held by no rank";
  return holder;
}

/// Calls `function(partition)` for layouts, ring sizes, pieces and lengths, awkward ones among them.
template <class Function>
void for_each_partition(Function&& function) {
  constexpr std::array<std::pair<std::int64_t, std::int64_t>, 16> ranks_and_pieces{{{1, 1},
                                                                                    {2, 1},
                                                                                    {3, 1},
                                                                                    {4, 1},
                                                                                    {5, 1},
                                                                                    {7, 1},
                                                                                    {8, 1},
                                                                                    {16, 1},
                                                                                    {2, 2},
                                                                                    {3, 3},
                                                                                    {4, 2},
                                                                                    {6, 2},
                                                                                    {6, 3},
                                                                                    {8, 4},
                                                                                    {15, 5},
                                                                                    {7, 7}}};
  for (const Layout layout : layouts) {
    for (const auto& [ranks, pieces] : ranks_and_pieces) {
      std::vector<std::int64_t> lengths{127, 256, 1000, 4097};
      for (std::int64_t length = 1; length <= 70; ++length) {
        lengths.push_back(length);
      }
      for (const std::int64_t length : lengths) {
        SCOPED_TRACE(fmt::format("{} S={} P={} U={}", name_of(layout), length, ranks, pieces));
        function(Partition(layout, length, ranks, pieces));
      }
    }
  }
}

TEST(Partition, HoldsEveryTokenExactlyOnce) {
  for_each_partition([](const Partition& partition) { holders(partition); });
}

TEST(Partition, LocalTokensFollowEachOtherWithoutGaps) {
  for_each_partition([](const Partition& partition) {
    for (std::int64_t rank = 0; rank < partition.ranks(); ++rank) {
      std::int64_t next_local = 0;
      std::int64_t last_token = -1;
      for (const TokenRun& run : partition.runs(rank)) {
        EXPECT_GT(run.count, 0);
        EXPECT_EQ(run.token_local, next_local);
        EXPECT_GT(run.token, last_token) << "runs are in rising order";
        next_local += run.count;
        last_token = run.token + (run.count - 1) * run.stride;
      }
      EXPECT_EQ(partition.tokens(rank), next_local);
    }
  });
}

TEST(Partition, PositionsAreThoseOfTheRunsAndRise) {
  for_each_partition([](const Partition& partition) {
    std::vector<std::int64_t> of_all;
    for (std::int64_t rank = 0; rank < partition.ranks(); ++rank) {
      const std::vector<std::int64_t> positions = partition.positions(rank);
      EXPECT_EQ(std::ssize(positions), partition.tokens(rank));
      EXPECT_TRUE(std::ranges::is_sorted(positions));
      for (const TokenRun& run : partition.runs(rank)) {
        for (std::int64_t i = 0; i < run.count; ++i) {
          EXPECT_EQ(positions.at(static_cast<std::size_t>(run.token_local + i)), run.token + i * run.stride);
        }
      }
      of_all.insert(of_all.end(), positions.begin(), positions.end());
    }
    EXPECT_EQ(std::ssize(of_all), partition.context_length());
  });
}

TEST(Partition, AllRunsHaveOneStride) {
  for_each_partition([](const Partition& partition) {
    const std::int64_t stride = partition.layout() == Layout::striped ? partition.ranks() / partition.ulysses() : 1;
    for (std::int64_t rank = 0; rank < partition.ranks(); ++rank) {
      for (const TokenRun& run : partition.runs(rank)) {
        EXPECT_EQ(run.stride, stride);
      }
    }
  });
}

TEST(Partition, RanksDifferByAFewTokensAtMost) {
  for_each_partition([](const Partition& partition) {
    std::int64_t least = partition.context_length();
    std::int64_t most = 0;
    for (std::int64_t rank = 0; rank < partition.ranks(); ++rank) {
      least = std::min(least, partition.tokens(rank));
      most = std::max(most, partition.tokens(rank));
    }
    EXPECT_LE(most - least, partition.layout() == Layout::zigzag ? 2 : 1);
    EXPECT_EQ(partition.tokens_per_rank(), most);
  });
}

TEST(Partition, LayoutsAreThoseOfTheDrawing) {
  using Ranks = std::vector<std::int64_t>;
  EXPECT_EQ(holders({Layout::contiguous, 16, 2}), (Ranks{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(holders({Layout::striped, 16, 2}), (Ranks{0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1}));
  EXPECT_EQ(holders({Layout::zigzag, 16, 2}), (Ranks{0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0}));
  EXPECT_EQ(holders({Layout::zigzag, 8, 4}), (Ranks{0, 1, 2, 3, 3, 2, 1, 0}));
  EXPECT_EQ(holders({Layout::zigzag, 16, 4, 2}), (Ranks{0, 0, 0, 0, 2, 2, 2, 2, 3, 3, 3, 3, 1, 1, 1, 1}));
  EXPECT_EQ(holders({Layout::zigzag, 8, 3, 3}), (Ranks{0, 0, 0, 1, 1, 1, 2, 2})) << "a piece may cut a run";
  EXPECT_EQ(holders({Layout::striped, 16, 4, 2}), (Ranks{0, 2, 0, 2, 0, 2, 0, 2, 1, 3, 1, 3, 1, 3, 1, 3}));
}

TEST(Partition, PiecesInTheirOrderAreTheTokensOfOneRankOfTheLayout) {
  for_each_partition([](const Partition& partition) {
    const std::int64_t pieces = partition.ulysses();
    const Partition whole(partition.layout(), partition.context_length(), partition.ranks() / pieces);
    for (std::int64_t rank = 0; rank < whole.ranks(); ++rank) {
      std::vector<std::int64_t> positions;
      for (std::int64_t piece = 0; piece < pieces; ++piece) {
        const std::vector<std::int64_t> more = partition.positions(rank * pieces + piece);
        positions.insert(positions.end(), more.begin(), more.end());
        const std::int64_t least = whole.tokens(rank) / pieces;
        EXPECT_TRUE(std::ssize(more) == least || std::ssize(more) == least + 1);
      }
      EXPECT_EQ(positions, whole.positions(rank));
    }
  });
}

TEST(Partition, FewerTokensThanRanksLeaveSomeEmpty) {
  for (const Layout layout : layouts) {
    const Partition partition(layout, 3, 8);
    for (std::int64_t rank = 0; rank < 8; ++rank) {
      EXPECT_EQ(partition.tokens(rank), rank < 3 ? 1 : 0) << name_of(layout);
      EXPECT_EQ(partition.runs(rank).size(), rank < 3 ? 1U : 0U) << name_of(layout);
    }
    EXPECT_EQ(partition.tokens_per_rank(), 1);
  }
}

TEST(Partition, LengthsOfManyMillionTokensAreExact) {
  constexpr std::int64_t length = (std::int64_t{1} << 40) + 1;
  for (const Layout layout : layouts) {
    const Partition partition(layout, length, 1000);
    std::int64_t total = 0;
    for (std::int64_t rank = 0; rank < 1000; ++rank) {
      total += partition.tokens(rank);
    }
    EXPECT_EQ(total, length);
  }
}

TEST(Partition, LengthsAndRingsArePositive) {
  expect_error(ErrorKind::bad_input, [] { const Partition partition(Layout::zigzag, 0, 1); }, {"context length 0"});
  expect_error(ErrorKind::bad_input, [] { const Partition partition(Layout::zigzag, -5, 1); });
  expect_error(ErrorKind::internal, [] { const Partition partition(Layout::zigzag, 5, 0); });
  expect_error(ErrorKind::bad_input, [] { const Partition partition(Layout::zigzag, 5, 6, 4); }, {"6 ranks", "4"});
  expect_error(ErrorKind::bad_input, [] { const Partition partition(Layout::zigzag, 5, 6, 0); });
}

TEST(Layout, EveryNameIsReadBackAsItsLayout) {
  for (const Layout layout : layouts) {
    EXPECT_EQ(parse_layout(name_of(layout)), layout);
  }
  expect_error(ErrorKind::bad_input, [] { static_cast<void>(parse_layout("stripes")); },
               {"layout 'stripes'", "did you mean 'striped'?"});
}

}  // namespace
}  // namespace ringworld::test
