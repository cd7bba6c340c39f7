/// @file  Predicted times against closed forms, and against recursions written out for one schedule.

#include "sequence/plan_time.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "sequence/every_schedule.hpp"
#include "sequence/exchange_block.hpp"
#include "sequence/plan_cost.hpp"
#include "sequence/visibility.hpp"
#include "support/layouts.hpp"

namespace ringworld::test {
namespace {

constexpr std::array sizes{1, 2, 3, 4, 8, 1024};
constexpr std::int64_t tokens = 12;  // of a rank

/// 2 heads of 4, fp32: keys and values of a token are 64 bytes, and so are their gradients.
TimedPass pass_of(int ranks, Layout layout = Layout::zigzag, bool is_causal = true) {
  return {.schedule = {},
          .problem = {.context_length = tokens * ranks, .heads = 2, .kv_heads = 2, .head_size = 4},
          .layout = layout,
          .is_causal = is_causal,
          .ranks = ranks,
          .nodes = {}};
}
constexpr double hop_bytes = tokens * 64;

/// A second a visible pair, and a hop of so many seconds.
PlanRates rates_of(double hop) {
  PlanRates rates;
  rates.block_seconds = [](const AttentionShape&, double pairs) { return pairs; };
  rates.node = {.latency = hop / 3, .bytes_per_second = hop == 0 ? 1e300 : hop_bytes / (2 * hop / 3)};
  rates.network = rates.node;
  return rates;
}

void expect_equal(double found, double expected, const std::string& what) {
  EXPECT_NEAR(found, expected, 1e-12 * std::max(1.0, expected)) << what;
}

/// Pairs that a rank computes at each step of a ring.
double pairs_of(const TimedPass& pass, int rank, int step) {
  const Partition partition(pass.layout, pass.problem.context_length, pass.ranks);
  return static_cast<double>(
      visible_pairs_between(partition, rank, (rank - step + pass.ranks) % pass.ranks, pass.is_causal));
}

TEST(PlanTime, BalancedRingTakesTheLongerOfBlockAndHopInEachStep) {
  for (const int ranks : sizes) {
    for (const Layout layout : layouts) {
      for (const double hop : {0.0, 100.0, 200.0}) {
        if (ranks > 8 && hop == 0) {
          continue;  // a million blocks take a while
        }
        const double block = tokens * tokens;
        const double expected = (ranks - 1) * std::max(block, hop) + block;
        expect_equal(time_pass(pass_of(ranks, layout, false), rates_of(hop)).seconds, expected,
                     fmt::format("P={} {} hop {}", ranks, name_of(layout), hop));
      }
    }
    // Zigzag under a causal mask: half of all pairs in each step, and of the own block half and its diagonal.
    const double half = tokens * tokens / 2.0;
    const double own = half + tokens / 2.0;
    for (const double hop : {20.0, 75.0, 200.0}) {
      const double expected = ranks == 1 ? own : std::max(own, hop) + (ranks - 2) * std::max(half, hop) + half;
      expect_equal(time_pass(pass_of(ranks), rates_of(hop)).seconds, expected, fmt::format("P={} hop {}", ranks, hop));
    }
  }
}

TEST(PlanTime, StripedLastRankNeverWaitsForShortHops) {
  // The last rank sees of every block what it sees of its own.
  for (const int ranks : sizes) {
    expect_equal(time_pass(pass_of(ranks, Layout::striped), rates_of(0)).seconds, ranks * tokens * (tokens + 1) / 2.0,
                 fmt::format("P={}", ranks));
  }
}

TEST(PlanTime, ContiguousCausalRingWithHiddenHopsWaitsForItsLastRank) {
  for (const int ranks : sizes) {
    const TimedPass pass = pass_of(ranks, Layout::contiguous);
    const double full = tokens * tokens;
    const double diagonal = tokens * (tokens + 1) / 2.0;
    const double seconds = time_pass(pass, rates_of(full / 4)).seconds;
    expect_equal(seconds, diagonal + (ranks - 1) * full, fmt::format("P={}", ranks));
    const double all =
        static_cast<double>(pass.problem.context_length) * static_cast<double>(pass.problem.context_length + 1) / 2;
    const double efficiency = all / ranks / seconds;
    // (P/2) / (P - 1/2), where diagonals weigh nothing.
    const double limit = (ranks / 2.0) / (ranks - 0.5);
    EXPECT_NEAR(efficiency, limit, 0.6 / (tokens * ranks)) << "P=" << ranks;
  }
}

TEST(PlanTime, CommunicationBoundRingTakesItsHopsAndOneBlock) {
  for (const int ranks : sizes) {
    for (const Layout layout : layouts) {
      for (const bool is_causal : {true, false}) {
        const double hop = 1000;
        const TimedPass pass = pass_of(ranks, layout, is_causal);
        double last = 0;
        for (int rank = 0; rank < ranks; ++rank) {
          last = std::max(last, pairs_of(pass, rank, ranks - 1));
        }
        expect_equal(time_pass(pass, rates_of(hop)).seconds, (ranks - 1) * hop + last,
                     fmt::format("P={} {} {}", ranks, name_of(layout), is_causal));
      }
    }
  }
}

/// The recursion of a ring's forward pass, written for a ring alone.
std::vector<double> ring_begins(const TimedPass& pass, const std::vector<double>& hops) {
  const int ranks = pass.ranks;
  std::vector<double> begin(static_cast<std::size_t>(ranks));
  const auto of = [&](const std::vector<double>& values, int rank) {
    return values[static_cast<std::size_t>((rank + ranks) % ranks)];
  };
  for (int step = 0; step < ranks; ++step) {
    std::vector<double> next(begin.size());
    for (int rank = 0; rank < ranks; ++rank) {
      double end = of(begin, rank) + pairs_of(pass, rank, step);
      if (step + 1 < ranks) {
        end = std::max(end, std::max(of(begin, rank), of(begin, rank - 1)) + of(hops, rank - 1));
        end = std::max(end, std::max(of(begin, rank), of(begin, rank + 1)) + of(hops, rank));
      }
      next[static_cast<std::size_t>(rank)] = end;
    }
    begin = next;
  }
  return begin;
}

TEST(PlanTime, RanksOfARingOnTwoNodesDriftApartAsTheRecursionSays) {
  for (const Layout layout : layouts) {
    TimedPass pass = pass_of(6, layout);
    pass.nodes = {0, 0, 0, 3, 3, 3};
    for (const double network : {10.0, 100.0, 300.0}) {
      PlanRates rates = rates_of(40);
      rates.network = rates_of(network).network;
      std::vector<double> hops(6, 40.0);
      hops[2] = network;
      hops[5] = network;
      const PassTime time = time_pass(pass, rates);
      const std::vector<double> expected = ring_begins(pass, hops);
      for (int rank = 0; rank < 6; ++rank) {
        expect_equal(time.forward->at(rank, 6), expected[static_cast<std::size_t>(rank)],
                     fmt::format("rank {} {} network {}", rank, name_of(layout), network));
      }
    }
  }
}

TEST(PlanTime, TwoRanksOfAContiguousSequenceEndAtDifferentTimes) {
  // Rank 1 has a whole block after its diagonal; rank 0 has nothing to do once the hop is over.
  const PassTime time = time_pass(pass_of(2, Layout::contiguous), rates_of(100));
  EXPECT_DOUBLE_EQ(time.forward->at(0, 1), 100);
  EXPECT_DOUBLE_EQ(time.forward->at(0, 2), 100);
  EXPECT_DOUBLE_EQ(time.forward->at(1, 2), 100 + 144);
  EXPECT_DOUBLE_EQ(time.seconds, 244);
  EXPECT_DOUBLE_EQ(time.compute, 78 + 144);
}

TEST(PlanTime, WithoutOverlapTheShorterOneIsAdded) {
  PlanRates rates = rates_of(50);
  const TimedPass pass = pass_of(4, Layout::zigzag, false);
  rates.overlap = 0;
  EXPECT_DOUBLE_EQ(time_pass(pass, rates).seconds, 3 * (144 + 50) + 144);
  rates.overlap = 0.6;
  EXPECT_NEAR(time_pass(pass, rates).seconds, 3 * (144 + 0.4 * 50) + 144, 1e-9);
}

TEST(PlanTime, BackwardRingHidesOperandsAndSumsOnOnePort) {
  TimedPass pass = pass_of(4, Layout::zigzag, false);
  pass.pass = AttentionPass::backward;
  // All hidden: only the last hop of sums, which nothing hides, comes on top.
  EXPECT_NEAR(time_pass(pass, rates_of(30)).seconds, 4 * 144 + 30, 1e-9);
  // Hops alone, in thirds of a hop (one of latency, two on the port):
  //   port       op 0: 0-2    op 1: 3-5    sums 1: 5-7    op 2: 7-9    sums 2: 9-11    sums 3: 12-14
  //   arrival          3            6              8            10             12              15
  // Sums 1 are posted at 3, ahead of the wait for op 1; op 2 at 6; sums 2 at 8, when sums 1 are there; sums 3 at 12.
  const double third = 1000;
  PlanRates rates = rates_of(3 * third);
  rates.block_seconds = [](const AttentionShape&, double) { return 0; };
  EXPECT_NEAR(time_pass(pass, rates).seconds, 15 * third, 1e-9);
  rates.node.port = Port::cable;
  EXPECT_NEAR(time_pass(pass, rates).seconds, 15 * third, 1e-9) << "all go to the same rank, by the same cable";
}

TEST(PlanTime, QueriesThatTravelBackTakeTheirOwnBytes) {
  TimedPass pass = pass_of(2, Layout::zigzag, false);
  pass.pass = AttentionPass::backward;
  pass.rotation = BackwardRotation::q;
  PlanRates rates = rates_of(0);
  rates.block_seconds = [](const AttentionShape&, double) { return 0; };
  rates.node = {.latency = 0, .bytes_per_second = 1};
  const double operands = tokens * (2 * 32 + 3 * 8);
  const double sums = tokens * 32;
  EXPECT_DOUBLE_EQ(time_pass(pass, rates).seconds, operands + sums);
}

TEST(PlanTime, BidirectionalGainsOnCablesAndNothingOnAPort) {
  TimedPass pass = pass_of(4, Layout::zigzag, false);
  PlanRates rates = rates_of(0);
  rates.block_seconds = [](const AttentionShape&, double) { return 0; };
  rates.node = {.latency = 0, .bytes_per_second = hop_bytes, .port = Port::rank};
  EXPECT_DOUBLE_EQ(time_pass(pass, rates).seconds, 3);
  pass.schedule = ScheduleKind::bidirectional;
  EXPECT_DOUBLE_EQ(time_pass(pass, rates).seconds, 3) << "both halves leave by one port";
  rates.node.port = Port::cable;
  EXPECT_DOUBLE_EQ(time_pass(pass, rates).seconds, 1.5);
}

TEST(PlanTime, DoubleRingHidesAnOuterHopBehindAWholeWindow) {
  TimedPass pass = pass_of(8, Layout::zigzag, false);
  pass.nodes = {0, 0, 0, 0, 4, 4, 4, 4};
  PlanRates rates = rates_of(0);
  rates.network = {.latency = 4 * 144, .bytes_per_second = 1e300};
  EXPECT_NEAR(time_pass(pass, rates).seconds, 7 * (4 * 144) + 144, 1e-6) << "a ring waits for its slow edge each step";
  pass.schedule = ScheduleKind::double_ring;
  pass.schedule.window = 4;
  EXPECT_NEAR(time_pass(pass, rates).seconds, 8 * 144, 1e-6) << "four steps are as long as the outer hop";
  rates.network.latency += 10;
  EXPECT_NEAR(time_pass(pass, rates).seconds, 8 * 144 + 10, 1e-6);
  // One card a node: four outer hops leave it together.
  rates.network = {.latency = 0, .bytes_per_second = hop_bytes / 300, .port = Port::rank};
  EXPECT_NEAR(time_pass(pass, rates).seconds, 8 * 144, 1e-6);
  rates.network.port = Port::node;
  EXPECT_NEAR(time_pass(pass, rates).seconds, 4 * 300 + 4 * 144, 1e-6);
}

TEST(PlanTime, AllGatherHidesItsGatherBehindTheOwnBlock) {
  TimedPass pass = pass_of(4, Layout::zigzag, false);
  pass.schedule = ScheduleKind::all_gather;
  EXPECT_NEAR(time_pass(pass, rates_of(30)).seconds, 4 * 144, 1e-9) << "three hops of 30 are shorter than a block";
  EXPECT_NEAR(time_pass(pass, rates_of(100)).seconds, 300 + 3 * 144, 1e-9);
  pass.pass = AttentionPass::backward;
  EXPECT_NEAR(time_pass(pass, rates_of(100)).seconds, 300 + 3 * 144 + 300, 1e-9) << "nothing hides the sums";
  PlanRates measured = rates_of(100);
  measured.groups[static_cast<std::size_t>(GroupMotion::reduce_scatter)] =
      LinkTime{.latency = 5, .bytes_per_second = 3 * hop_bytes};
  EXPECT_NEAR(time_pass(pass, measured).seconds, 300 + 3 * 144 + 6, 1e-9) << "what was measured is used";
}

TEST(PlanTime, BroadcastsArePipelined) {
  TimedPass pass = pass_of(4, Layout::zigzag, false);
  pass.schedule = ScheduleKind::broadcast;
  PlanRates rates = rates_of(0);
  const auto broadcast_of = [&](double latency, double seconds) {
    rates.node = {.latency = latency, .bytes_per_second = hop_bytes / seconds};
    return time_pass(pass, rates).seconds;
  };
  EXPECT_NEAR(broadcast_of(10, 30), 50 + 4 * 144, 1e-9) << "log2 P latencies; the first is hidden by nothing";
  EXPECT_NEAR(broadcast_of(10, 180), 4 * 200 + 144, 1e-9);
  pass.pass = AttentionPass::backward;
  EXPECT_NEAR(broadcast_of(10, 30), 50 + 4 * 144 + 50, 1e-9) << "and the last reduction";
}

TEST(PlanTime, BroadcastQueriesMakesTwoReductionsAfterTheLastBlock) {
  TimedPass pass = pass_of(2, Layout::zigzag, false);
  pass.schedule = ScheduleKind::broadcast_queries;
  PlanRates rates = rates_of(0);
  rates.node = {.latency = 7, .bytes_per_second = 1e300};
  // A broadcast, two blocks, the last all-reduce of maxima and the last reduction.
  EXPECT_NEAR(time_pass(pass, rates).seconds, 7 + 2 * 144 + 14 + 7, 1e-9);
}

TEST(PlanTime, PassQReturnsStatesOneStepBehind) {
  TimedPass pass = pass_of(4, Layout::zigzag, false);
  pass.schedule = ScheduleKind::pass_q;
  PlanRates rates = rates_of(0);
  rates.node = {.latency = 7, .bytes_per_second = 1e300};
  EXPECT_NEAR(time_pass(pass, rates).seconds, 4 * 144 + 7, 1e-9);
}

TEST(PlanTime, TrimmedRingIsNotSlowerThanARing) {
  TimedPass pass = pass_of(4);
  for (const double hop : {0.0, 100.0, 1000.0}) {
    pass.schedule.is_trimmed = false;
    const double ring = time_pass(pass, rates_of(hop)).seconds;
    pass.schedule.is_trimmed = true;
    PlanRates rates = rates_of(hop);
    const double trimmed = time_pass(pass, rates).seconds;
    rates.node.latency = 0;
    EXPECT_LE(trimmed, ring + 1e-9) << hop;
    EXPECT_GE(trimmed, 4 * 72) << hop;
  }
}

TEST(PlanTime, ExchangeOfHeadsIsExposedTwice) {
  TimedPass pass = pass_of(2, Layout::zigzag, false);
  pass.schedule.ulysses = 2;
  PlanRates rates = rates_of(0);
  // A pair of one head takes half a second: the rate belongs to the shape.
  rates.block_seconds = [](const AttentionShape& shape, double pairs) {
    return pairs * static_cast<double>(shape.heads) / 2;
  };
  rates.node = {.latency = 3, .bytes_per_second = 32};
  const AttentionProblem half = exchanged_problem(pass.problem, 2);
  const double out = static_cast<double>(exchange_block_bytes(half, ExchangeCargo::forward_operands, tokens));
  const double back = static_cast<double>(exchange_block_bytes(half, ExchangeCargo::results, tokens));
  const double block = 24 * 24 / 2.0;
  EXPECT_NEAR(time_pass(pass, rates).seconds, 3 + out / 32 + block + 3 + back / 32, 1e-9);
  pass.pass = AttentionPass::backward;
  const double gradients = static_cast<double>(exchange_block_bytes(half, ExchangeCargo::gradients, tokens));
  const double operands = static_cast<double>(exchange_block_bytes(half, ExchangeCargo::backward_operands, tokens));
  EXPECT_NEAR(time_pass(pass, rates).seconds, 6 + (operands + gradients) / 32 + block, 1e-9);
}

TEST(PlanTime, AnExchangeInGroupsOfHeadsIsHiddenButForTheFirstAndTheLast) {
  TimedPass pass = pass_of(2, Layout::zigzag, false);
  pass.problem.heads = pass.problem.kv_heads = 8;
  pass.schedule.ulysses = 2;
  pass.schedule.head_groups = 4;
  PlanRates rates = rates_of(0);
  rates.block_seconds = [](const AttentionShape& shape, double pairs) {
    return pairs * static_cast<double>(shape.heads);
  };
  rates.node = {.latency = 3, .bytes_per_second = 32};
  const AttentionProblem of_group = exchanged_problem(pass.problem, 2, 4);
  const double out =
      3 + static_cast<double>(exchange_block_bytes(of_group, ExchangeCargo::forward_operands, tokens)) / 32;
  const double back = 3 + static_cast<double>(exchange_block_bytes(of_group, ExchangeCargo::results, tokens)) / 32;
  const double block = 24 * 24;
  ASSERT_GT(block, out + back) << "the link is fast enough to hide";
  EXPECT_NEAR(time_pass(pass, rates).seconds, out + 4 * block + back, 1e-9);
  // Where the link is slower than the blocks, it is never idle but while the last group is computed.
  rates.node = {.latency = 3 * block, .bytes_per_second = 32};
  const double slow = 3 * block - 3;
  EXPECT_NEAR(time_pass(pass, rates).seconds, 4 * (out + slow) + 4 * (back + slow), block + 1e-9);
}

TEST(PlanTime, ARingInsideAnExchangeIsOneOfHalfTheRanks) {
  TimedPass inner = pass_of(2, Layout::zigzag);
  inner.problem.context_length = 4 * tokens;
  inner.problem.heads = inner.problem.kv_heads = 1;
  TimedPass outer = pass_of(4, Layout::zigzag);
  outer.schedule.ulysses = 2;
  PlanRates rates = rates_of(0);
  rates.node = {.latency = 0, .bytes_per_second = 1e300};
  rates.network = {.latency = 500, .bytes_per_second = 1e300};
  inner.nodes = {0, 2};
  outer.nodes = {0, 0, 2, 2};
  EXPECT_DOUBLE_EQ(time_pass(outer, rates).seconds, time_pass(inner, rates).seconds);
}

TEST(PlanTime, FoldsAndPackingMoveBytesOfMemory) {
  TimedPass pass = pass_of(2, Layout::zigzag, false);
  PlanRates rates = rates_of(0);
  rates.memory_bytes_per_second = hop_bytes;
  EXPECT_NEAR(time_pass(pass, rates).seconds, 2 + 2 * 144, 1e-9) << "one block is packed: read and written";
  pass.pass = AttentionPass::backward;
  // out and dout are read once (half the bytes of k and v each), the block is packed, its sums come home and are added.
  EXPECT_NEAR(time_pass(pass, rates).seconds, 1 + 2 + 2 * 144 + 3, 1e-9);
}

TEST(PlanTime, EveryScheduleIsTimedAndNoneBeatsItsCompute) {
  for (const Schedule& listed : every_schedule()) {
    for (const int ranks : {1, 2, 4, 6}) {
      for (const AttentionPass direction :
           {AttentionPass::forward, AttentionPass::backward, AttentionPass::forward_backward}) {
        TimedPass pass = pass_of(ranks);
        SequenceAttentionOptions options;
        options.problem = pass.problem;
        options.layout = pass.layout;
        options.is_causal = true;
        pass.schedule = fitted(listed, options, ranks);
        pass.pass = direction;
        // The rate of heads is that of the shape: head groups have fewer.
        PlanRates rates = rates_of(100);
        rates.block_seconds = [](const AttentionShape& shape, double pairs) {
          return pairs * static_cast<double>(shape.heads) / 2;
        };
        const PassTime time = time_pass(pass, rates);
        const double passes = direction == AttentionPass::forward_backward ? 2 : 1;
        const double all = static_cast<double>(pass.problem.context_length * (pass.problem.context_length + 1)) / 2;
        EXPECT_GE(time.compute, passes * all / ranks - 1e-6) << describe(pass.schedule) << " P=" << ranks;
        EXPECT_GE(time.seconds, time.compute - 1e-6) << describe(pass.schedule) << " P=" << ranks;
        EXPECT_EQ(ranks == 1, time.seconds == time.compute) << describe(pass.schedule) << " P=" << ranks;
      }
    }
  }
}

TEST(PlanTime, BlocksAreTimedByTheTable) {
  RateTable table;
  table.attention.push_back(
      {.shape = {.is_causal = false, .query_tokens = 12, .key_tokens = 12, .head_size = 4, .heads = 2},
       .flops_per_second = {.value = 32, .lowest = 16, .highest = 64}});
  bool is_extrapolated = false;
  PlanRates rates = rates_of(0);
  rates.block_seconds = block_seconds_of(table, &MeasuredRate::value, &is_extrapolated);
  const TimedPass pass = pass_of(1, Layout::zigzag, false);
  EXPECT_DOUBLE_EQ(time_pass(pass, rates).seconds, 144) << "4 D H = 32 FLOP a pair";
  EXPECT_FALSE(is_extrapolated);
  rates.block_seconds = block_seconds_of(table, &MeasuredRate::lowest, &is_extrapolated);
  EXPECT_DOUBLE_EQ(time_pass(pass, rates).seconds, 288);
  EXPECT_DOUBLE_EQ(time_pass(pass_of(1), rates).seconds, 156) << "a diagonal by the rate of whole blocks";
  EXPECT_TRUE(is_extrapolated);
}

TEST(PlanTime, APlanThatReceivesWhatNobodySendsIsRefused) {
  const TimedPass pass = pass_of(2);
  const Partition partition(pass.layout, pass.problem.context_length, 2);
  const auto plan_of = [](int rank) {
    Plan plan = make_plan({}, AttentionPass::forward, BackwardRotation::kv, 2, rank);
    if (rank == 0) {
      plan.transfers.front().to = none;
    }
    return plan;
  };
  std::vector<double> clocks(2);
  std::vector<double> compute(2);
  EXPECT_THROW(static_cast<void>(
                   time_plans({.plan_of = plan_of, .problem = pass.problem, .partition = partition, .nodes = {0, 0}},
                              rates_of(1), clocks, compute)),
               Error);
}

}  // namespace
}  // namespace ringworld::test
