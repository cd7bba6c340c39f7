/// @file  Groups of the probe: every token is in one, and every key has a query that depends on it.

#include "probe/groups.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "sequence/partition.hpp"

namespace ringworld {
namespace {

constexpr std::array forms{ProbeForm::comb, ProbeForm::near, ProbeForm::stair, ProbeForm::address};

template <class Function>
void for_each_form_and_length(Function&& function) {
  for (const ProbeForm form : forms) {
    for (const std::int64_t length : {1, 2, 3, 5, 16, 17, 61, 256, 509, 1000}) {
      SCOPED_TRACE(std::string(name_of(form)) + " of " + std::to_string(length));
      function(ProbeGroups(form, length, 16, 4096, 9));
      function(ProbeGroups(form, length, 64, 16, 9));  // codes are scarce
    }
  }
}

TEST(ProbeGroups, HoldEveryTokenOnce) {
  for_each_form_and_length([](const ProbeGroups& groups) {
    for (std::int64_t token = 0; token < groups.context_length(); ++token) {
      const std::int64_t group = groups.group_of(token);
      EXPECT_EQ(groups.token_of(group, groups.member_of(token)), token);
      std::int64_t found = 0;
      std::int64_t before = -1;
      groups.for_each_visible(group, groups.context_length(), false, [&](std::int64_t other, std::int64_t member) {
        EXPECT_EQ(groups.group_of(other), group);
        EXPECT_EQ(groups.member_of(other), member);
        EXPECT_LT(before, other) << "later members are later tokens";
        before = other;
        found += other == token ? 1 : 0;
      });
      EXPECT_EQ(found, 1);
    }
  });
}

TEST(ProbeGroups, HaveNoMoreThanTheirCodes) {
  for_each_form_and_length([](const ProbeGroups& groups) {
    if (groups.members() == 64 || groups.form() == ProbeForm::near) {
      return;
    }
    for (std::int64_t token = 0; token < groups.context_length(); ++token) {
      EXPECT_LT(groups.group_of(token), 4096);
    }
  });
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const ProbeGroups full(ProbeForm::near, 1024, 64, 16, seed);
    EXPECT_LT(full.group_of(1023), 16) << "no code more than there are";
  }
}

/// Who asks by way of a token is who the target says; every key is seen by a query other than by chance.
TEST(ProbeQueries, AskForEveryKey) {
  for_each_form_and_length([](const ProbeGroups& groups) {
    for (const bool is_causal : {true, false}) {
      const ProbeQueries queries(groups, is_causal, 4);
      std::vector<std::int64_t> targets(static_cast<std::size_t>(groups.context_length()));
      for (std::int64_t query = 0; query < groups.context_length(); ++query) {
        targets[static_cast<std::size_t>(query)] = queries.target_of(query);
        std::int64_t visible = 0;
        groups.for_each_visible(groups.group_of(queries.target_of(query)), query, is_causal,
                                [&](std::int64_t /*key*/, std::int64_t /*member*/) { ++visible; });
        EXPECT_GT(visible, 0) << "query " << query << " sees no key";
      }
      for (std::int64_t token = 0; token < groups.context_length(); ++token) {
        std::vector<std::int64_t> askers;
        queries.for_each_asker(token, [&](std::int64_t query) {
          EXPECT_EQ(targets[static_cast<std::size_t>(query)], token);
          EXPECT_LE(query, std::max(token, queries.last_asker_of(token)));
          askers.push_back(query);
        });
        std::ranges::sort(askers);
        EXPECT_TRUE(std::ranges::adjacent_find(askers) == askers.end()) << "an asker is named twice";
        EXPECT_EQ(std::ranges::count(targets, token), static_cast<std::ptrdiff_t>(askers.size()));
      }
    }
  });
}

/// The share of (query rank, key rank) pairs that see each other and that some group connects.
double coverage(Layout layout, std::int64_t ranks, std::int64_t members) {
  const std::int64_t length = 4096;
  const Partition partition(layout, length, ranks);
  std::vector<std::size_t> rank_of(static_cast<std::size_t>(length));
  for (std::int64_t rank = 0; rank < ranks; ++rank) {
    for (const TokenRun& run : partition.runs(rank)) {
      for (std::int64_t i = 0; i < run.count; ++i) {
        rank_of[static_cast<std::size_t>(run.token + i * run.stride)] = static_cast<std::size_t>(rank);
      }
    }
  }
  const auto size = static_cast<std::size_t>(ranks);
  std::vector<bool> connected(size * size);
  std::vector<bool> visible(size * size);
  const ProbeGroups groups(ProbeForm::comb, length, members, 4096, 3);
  const ProbeQueries queries(groups, true, 5);
  for (std::int64_t query = 0; query < length; ++query) {
    const std::size_t row = rank_of[static_cast<std::size_t>(query)] * size;
    groups.for_each_visible(groups.group_of(queries.target_of(query)), query, true,
                            [&](std::int64_t key, std::int64_t /*member*/) {
                              connected[row + rank_of[static_cast<std::size_t>(key)]] = true;
                            });
    for (std::int64_t key = 0; key <= query; ++key) {
      visible[row + rank_of[static_cast<std::size_t>(key)]] = true;
    }
  }
  return static_cast<double>(std::ranges::count(connected, true)) /
         static_cast<double>(std::ranges::count(visible, true));
}

TEST(ProbeGroups, ConnectEveryPairOfRanksThatSeeEachOther) {
  for (const Layout layout : {Layout::contiguous, Layout::striped, Layout::zigzag}) {
    for (const std::int64_t ranks : {2, 3, 4, 6, 8, 16}) {
      EXPECT_EQ(coverage(layout, ranks, 16), 1.0) << name_of(layout) << " over " << ranks;
    }
    EXPECT_EQ(coverage(layout, 64, 64), 1.0) << name_of(layout);
  }
}

TEST(ProbeGroups, ChangeWithTheSeed) {
  for (const ProbeForm form : {ProbeForm::comb, ProbeForm::near, ProbeForm::stair}) {
    const auto list = [&](std::uint64_t seed) {
      const ProbeGroups groups(form, 500, 16, 4096, seed);
      std::vector<std::int64_t> all;
      for (std::int64_t token = 0; token < 500; ++token) {
        all.push_back(groups.group_of(token));
      }
      return all;
    };
    EXPECT_NE(list(1), list(4)) << name_of(form);
    EXPECT_EQ(list(1), list(1)) << name_of(form);
  }
}

}  // namespace
}  // namespace ringworld
