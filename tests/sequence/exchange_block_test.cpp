#include "sequence/exchange_block.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "sequence/plan_cost.hpp"
#include "sequence/schedule_check.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

AttentionProblem make_problem(std::int64_t heads, std::int64_t kv_heads) {
  return {.context_length = 40,
          .batch = 3,
          .heads = heads,
          .kv_heads = kv_heads,
          .head_size = 16,
          .wire_dtype = DType::bfloat16,
          .has_documents = true};
}

void check_ulysses(std::int64_t heads, std::int64_t kv_heads, std::int64_t ranks, int ulysses) {
  Schedule schedule;
  schedule.ulysses = ulysses;
  check_schedule(schedule, make_problem(heads, kv_heads), Layout::zigzag, true, ranks);
}

TEST(Ulysses, RefusesHeadsThatCannotBeSharedOutAndNamesTheNearest) {
  const auto expect_refusal = [](std::int64_t heads, std::int64_t kv_heads, std::int64_t ranks, int ulysses,
                                 std::string_view nearest) {
    expect_error(ErrorKind::bad_input, [&] { check_ulysses(heads, kv_heads, ranks, ulysses); },
                 {fmt::format("ulysses {}", ulysses), nearest});
  };
  expect_refusal(8, 8, 6, 4, "the nearest that does is 2");    // 6 ranks; 3 divides them, but not the heads
  expect_refusal(9, 9, 12, 4, "the nearest that does is 3");   // 9 heads
  expect_refusal(12, 3, 12, 2, "the nearest that does is 1");  // 3 heads of keys: 1 and 3 are as near
  expect_refusal(12, 3, 12, 4, "the nearest that does is 3");
  expect_refusal(12, 4, 12, 6, "the nearest that does is 4");
  expect_refusal(4, 4, 8, 8, "the nearest that does is 4");
  expect_refusal(8, 8, 8, 0, "at least 1");
  expect_refusal(8, 8, 8, -3, "at least 1");
}

TEST(Ulysses, TakesWhatEveryRankCanComputeWith) {
  for (const auto& [heads, kv_heads, ranks, ulysses] : std::vector<std::array<int, 4>>{
           {8, 8, 8, 8}, {8, 2, 4, 4}, {8, 1, 8, 8}, {12, 3, 6, 6}, {12, 6, 6, 3}, {5, 5, 7, 1}, {5, 1, 10, 5}}) {
    EXPECT_NO_THROW(check_ulysses(heads, kv_heads, ranks, ulysses));
  }
}

TEST(Ulysses, EveryHeadIsSomebodysAndKeysAreThoseOfTheQueries) {
  for (const auto& [heads, kv_heads, ulysses] :
       std::vector<std::array<std::int64_t, 3>>{{8, 8, 4}, {8, 2, 4}, {8, 4, 4}, {12, 1, 6}, {12, 3, 6}, {12, 6, 3}}) {
    const AttentionProblem problem = make_problem(heads, kv_heads);
    const AttentionProblem exchanged = exchanged_problem(problem, ulysses);
    EXPECT_EQ(exchanged.dtype, DType::bfloat16) << "what arrived is in the wire's type";
    std::vector<std::int64_t> owners(static_cast<std::size_t>(heads));
    for (std::int64_t member = 0; member < ulysses; ++member) {
      const HeadRange queries = query_heads_of(problem, ulysses, member);
      const HeadRange keys = key_heads_of(problem, ulysses, member);
      EXPECT_EQ(queries.count, exchanged.heads);
      EXPECT_EQ(keys.count, exchanged.kv_heads);
      for (std::int64_t head = 0; head < queries.count; ++head) {
        ++owners.at(static_cast<std::size_t>(queries.first + head));
        const std::int64_t of_all = (queries.first + head) / (heads / kv_heads);
        const std::int64_t here = head / (exchanged.heads / exchanged.kv_heads);
        EXPECT_EQ(keys.first + here, of_all) << "head " << head << " of member " << member;
      }
      const std::int64_t sharers = sharers_of_key_heads(problem, ulysses);
      EXPECT_EQ(keys.first, key_heads_of(problem, ulysses, member - member % sharers).first);
      if (member % sharers == 0 && member > 0) {
        EXPECT_GT(keys.first, key_heads_of(problem, ulysses, member - 1).first);
      }
    }
    EXPECT_EQ(owners, std::vector<std::int64_t>(static_cast<std::size_t>(heads), 1));
  }
}

TEST(ExchangeBlock, BytesByHand) {
  const AttentionProblem exchanged = exchanged_problem(make_problem(8, 4), 4);  // 2 heads, 1 of keys
  // A token of a batch of 3: 2 heads of 16 in bf16 are 64 bytes, of keys 32; a number a head is 8, an id 4.
  EXPECT_EQ(exchange_block_bytes(exchanged, ExchangeCargo::forward_operands, 5), 3 * 5 * (64 + 2 * 32 + 4));
  EXPECT_EQ(exchange_block_bytes(exchanged, ExchangeCargo::results, 5), 3 * 5 * (64 + 2 * 8));
  EXPECT_EQ(exchange_block_bytes(exchanged, ExchangeCargo::backward_operands, 5),
            3 * 5 * (2 * 64 + 2 * 32 + 3 * 8 + 4));
  EXPECT_EQ(exchange_block_bytes(exchanged, ExchangeCargo::gradients, 5), 3 * 5 * (128 + 2 * 64));
}

TEST(ExchangeTraffic, OfEvenSharesIsTheFormula) {
  // Bytes a token: q 256, k 2 x 128 and with fewer key heads than neighbours as many as those; r 32; ids 4 a neighbour.
  AttentionProblem problem = make_problem(8, 4);
  for (const std::int64_t ulysses : {2, 4, 8}) {
    const Partition partition(Layout::zigzag, problem.context_length, 8, ulysses);
    const std::int64_t k = 2 * std::max<std::int64_t>(4, ulysses) * 32;
    const std::int64_t tokens = 3 * 5;
    const auto share = [&](std::int64_t bytes) { return tokens * bytes * (ulysses - 1) / ulysses; };
    const SequenceTraffic forward = exchange_traffic(problem, partition, AttentionPass::forward, 3);
    EXPECT_EQ(forward.operands.bytes, share(2 * 256 + k + 2 * 32) + tokens * 4 * (ulysses - 1));
    EXPECT_EQ(forward.operands.hops, 2);
    EXPECT_EQ(forward.operands.messages, 2 * (ulysses - 1));
    EXPECT_EQ(forward.gradients, Traffic());
    const SequenceTraffic backward = exchange_traffic(problem, partition, AttentionPass::backward, 3);
    EXPECT_EQ(backward.operands.bytes, share(2 * 256 + k + 3 * 32) + tokens * 4 * (ulysses - 1));
    EXPECT_EQ(backward.gradients.bytes, share(2 * 256 + 2 * k));
    EXPECT_EQ(backward.gradients.messages, ulysses - 1);
    SequenceTraffic both = forward;
    both += backward;
    const SequenceTraffic at_once = exchange_traffic(problem, partition, AttentionPass::forward_backward, 3);
    EXPECT_EQ(at_once.operands, both.operands);
    EXPECT_EQ(at_once.gradients, both.gradients);
  }
  // Two nodes of four ranks: among eight neighbours, four of the seven messages leave the node.
  const Partition all(Layout::zigzag, problem.context_length, 8, 8);
  const Traffic spread = exchange_traffic(problem, all, AttentionPass::forward, 3, {0, 0, 0, 0, 4, 4, 4, 4}).operands;
  EXPECT_EQ(7 * spread.bytes_between_nodes, 4 * spread.bytes);
  const Partition alone(Layout::zigzag, problem.context_length, 8);
  EXPECT_EQ(exchange_traffic(problem, alone, AttentionPass::forward, 3).bytes(), 0);
}

TEST(ExchangeTraffic, OfUnevenSharesIsWhatTheOthersReceive) {
  AttentionProblem problem = make_problem(12, 3);
  for (const std::int64_t length : {1, 2, 11, 40}) {
    problem.context_length = length;
    const Partition partition(Layout::contiguous, length, 6, 3);
    const AttentionProblem exchanged = exchanged_problem(problem, 3);
    for (const std::int64_t ring : {0, 1}) {
      std::int64_t sent = 0;
      std::int64_t received = 0;
      for (std::int64_t member = 0; member < 3; ++member) {
        sent += exchange_traffic(problem, partition, AttentionPass::forward, 3 * ring + member).operands.bytes;
        const std::int64_t tokens = partition.tokens(3 * ring + member);
        // Each of two neighbours gets a message of its tokens, and sends one back.
        received += 2 * (exchange_block_bytes(exchanged, ExchangeCargo::forward_operands, tokens) +
                         exchange_block_bytes(exchanged, ExchangeCargo::results, tokens));
      }
      EXPECT_EQ(sent, received) << length;
    }
  }
}

TEST(ExchangeArena, HoldsTheLongestMessagesTwice) {
  const AttentionProblem problem = make_problem(8, 4);  // 2 heads and 1 of keys after the exchange among 4
  // 15 tokens: forward operands 132 bytes each, to a multiple of 256; gradients 256 each.
  EXPECT_EQ(exchange_arena_bytes(problem, 4, AttentionPass::forward, 5), 2 * 4 * 2048);
  EXPECT_EQ(exchange_arena_bytes(problem, 4, AttentionPass::forward_backward, 5), 2 * 4 * 3840);
  EXPECT_EQ(exchange_arena_bytes(problem, 1, AttentionPass::forward_backward, 5), 0);
}

TEST(PlanCost, OfAnExchangeIsThatOfItsRingsAndTheExchange) {
  AttentionProblem problem = make_problem(12, 6);
  Schedule schedule;
  schedule.ulysses = 2;
  for (const std::int64_t length : {5, 40}) {
    problem.context_length = length;
    const Partition partition(Layout::zigzag, length, 6, 2);
    const Partition ring(Layout::zigzag, length, 3);
    const AttentionProblem half = exchanged_problem(problem, 2);
    const SequenceTraffic all =
        planned_traffic(schedule, problem, partition, AttentionPass::forward_backward, BackwardRotation::kv);
    const SequenceTraffic of_ring =
        planned_traffic(Schedule(), half, ring, AttentionPass::forward_backward, BackwardRotation::kv);
    SequenceTraffic expected = of_ring;
    expected += of_ring;
    for (std::int64_t rank = 0; rank < 6; ++rank) {
      expected += exchange_traffic(problem, partition, AttentionPass::forward_backward, rank);
    }
    EXPECT_EQ(all.operands, expected.operands);
    EXPECT_EQ(all.gradients, expected.gradients);
    EXPECT_EQ(attention_arena_bytes(schedule, problem, AttentionPass::forward_backward, BackwardRotation::kv, 6,
                                    partition.tokens_per_rank()),
              exchange_arena_bytes(problem, 2, AttentionPass::forward_backward, partition.tokens_per_rank()) +
                  attention_arena_bytes(Schedule(), half, AttentionPass::forward_backward, BackwardRotation::kv, 3,
                                        ring.tokens_per_rank()));
  }
}

TEST(PlanCost, AContiguousHybridIsBoundByItsRing) {
  Schedule schedule;
  for (const auto& [ulysses, bound] : std::vector<std::pair<int, double>>{{8, 1.0}, {4, 2.0 / 3}, {2, 4.0 / 7}}) {
    schedule.ulysses = ulysses;
    const Partition partition(Layout::contiguous, 8192, 8, ulysses);
    EXPECT_NEAR(layout_efficiency_bound(schedule, partition, true), bound, 1e-3) << ulysses;
  }
}

}  // namespace
}  // namespace ringworld::test
