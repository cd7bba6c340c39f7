/// @file  What plans cost against numbers worked out by hand, and the balance of layouts against counting.

#include "sequence/plan_cost.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "sequence/visibility.hpp"
#include "support/layouts.hpp"

namespace ringworld::test {
namespace {

constexpr auto kv = BackwardRotation::kv;
constexpr auto q = BackwardRotation::q;
std::int64_t ring_bytes(const AttentionProblem& problem, AttentionPass pass, BackwardRotation rotation,
                        std::int64_t ranks) {
  const Partition partition(Layout::zigzag, problem.context_length, ranks);
  return planned_traffic(ScheduleKind::ring, problem, partition, pass, rotation).bytes();
}

TEST(PlanCost, BytesOfATokenByHand) {
  AttentionProblem problem{.context_length = 100,
                           .batch = 1,
                           .heads = 8,
                           .kv_heads = 2,
                           .head_size = 64,
                           .dtype = DType::bfloat16,
                           .wire_dtype = DType::bfloat16};
  EXPECT_EQ(block_bytes(problem, Cargo::kv, 1), 512) << "K and V of 2 heads: 2 x 128 numbers of 2 bytes";
  EXPECT_EQ(block_bytes(problem, Cargo::q, 1), 2144) << "Q and dO of 8 heads: 2 x 512 x 2, and 3 x 8 floats";
  EXPECT_EQ(block_bytes(problem, Cargo::kv_gradient, 1), 1024) << "dK and dV of 2 heads: 2 x 128 floats";
  EXPECT_EQ(block_bytes(problem, Cargo::q_gradient, 1), 2048) << "dQ of 8 heads: 512 floats";
  problem.has_documents = true;
  EXPECT_EQ(block_bytes(problem, Cargo::kv, 1), 516);
  EXPECT_EQ(block_bytes(problem, Cargo::q, 1), 2148);
  EXPECT_EQ(block_bytes(problem, Cargo::kv_gradient, 1), 1024);
  problem.has_documents = false;
  problem.wire_dtype = DType::float32;
  EXPECT_EQ(block_bytes(problem, Cargo::kv, 1), 1024);
  EXPECT_EQ(block_bytes(problem, Cargo::q, 1), 4192);
  EXPECT_EQ(block_bytes(problem, Cargo::q_gradient, 1), 2048) << "gradients are fp32 whatever the wire type";
}

TEST(PlanCost, BytesOfARingByHand) {
  const AttentionProblem problem{.context_length = 100,
                                 .batch = 2,
                                 .heads = 8,
                                 .kv_heads = 2,
                                 .head_size = 64,
                                 .dtype = DType::bfloat16,
                                 .wire_dtype = DType::bfloat16};
  // 200 tokens travel 3 hops each.
  EXPECT_EQ(ring_bytes(problem, AttentionPass::forward, kv, 4), 600 * 512);
  EXPECT_EQ(ring_bytes(problem, AttentionPass::backward, kv, 4), 600 * (512 + 1024));
  EXPECT_EQ(ring_bytes(problem, AttentionPass::backward, q, 4), 600 * (2144 + 2048));
  EXPECT_EQ(ring_bytes(problem, AttentionPass::forward_backward, kv, 4), 600 * (512 + 512 + 1024));
  EXPECT_EQ(ring_bytes(problem, AttentionPass::forward_backward, q, 4), 600 * (512 + 2144 + 2048));
  EXPECT_EQ(ring_bytes(problem, AttentionPass::forward_backward, q, 1), 0);
}

TEST(PlanCost, OneRotationIsCheaperForManyKeyHeadsTheOtherForFew) {
  const auto cheaper = [](std::int64_t heads, std::int64_t kv_heads, DType wire_dtype) {
    return cheaper_rotation(
        {}, {.context_length = 1, .heads = heads, .kv_heads = kv_heads, .head_size = 128, .wire_dtype = wire_dtype});
  };
  // fp32: 16 bytes a kv head and element against 12 (and three numbers) a query head; bf16: 12 against 8.
  EXPECT_EQ(cheaper(32, 32, DType::float32), q);
  EXPECT_EQ(cheaper(32, 32, DType::bfloat16), q);
  EXPECT_EQ(cheaper(32, 8, DType::float32), kv);
  EXPECT_EQ(cheaper(32, 8, DType::bfloat16), kv);
  EXPECT_EQ(cheaper(4, 3, DType::float32), kv) << "48 against 48 and three rows of floats";
  EXPECT_EQ(cheaper(5, 4, DType::float32), q) << "64 against 60 and three rows of floats";
  EXPECT_EQ(cheaper(3, 2, DType::bfloat16), kv) << "24 against 24 and three rows of floats";
}

TEST(PlanCost, TheCheaperRotationMovesFewerBytes) {
  for (const std::int64_t kv_heads : {1, 2, 3, 6, 12}) {
    for (const DType wire_dtype : {DType::float32, DType::bfloat16}) {
      const AttentionProblem problem{
          .context_length = 64, .heads = 12, .kv_heads = kv_heads, .head_size = 16, .wire_dtype = wire_dtype};
      const BackwardRotation chosen = cheaper_rotation({}, problem);
      const BackwardRotation other = chosen == kv ? q : kv;
      EXPECT_LE(ring_bytes(problem, AttentionPass::backward, chosen, 4),
                ring_bytes(problem, AttentionPass::backward, other, 4));
    }
  }
}

TEST(PlanCost, PeakMemoryByHand) {
  const AttentionProblem problem{.context_length = 20, .heads = 4, .kv_heads = 2, .head_size = 16};
  // A token: q, out 256 bytes each, k, v 128 each, maximum and sum 16 each = 800. Output: 64 floats. K/V on the wire 256.
  EXPECT_EQ(attention_peak_bytes(ScheduleKind::ring, problem, AttentionPass::forward, kv, 1, 10, 0), 10 * (800 + 256));
  EXPECT_EQ(attention_peak_bytes(ScheduleKind::ring, problem, AttentionPass::forward, kv, 2, 10, 0),
            10 * (800 + 256 + 512));
  // And dout 256, delta 16, dq 256, dk, dv 128 each: 784 more. One rank needs no blocks.
  EXPECT_EQ(attention_peak_bytes(ScheduleKind::ring, problem, AttentionPass::forward_backward, kv, 1, 10, 0),
            10 * (1584 + 256));
  // Two K/V blocks and three dK/dV blocks of 256: 1280, more than the 768 of the forward pass.
  EXPECT_EQ(attention_peak_bytes(ScheduleKind::ring, problem, AttentionPass::forward_backward, kv, 2, 10, 0),
            10 * (1584 + 1280));
  // Two blocks of Q, dO, maximum, sum, delta of 560 and three dQ blocks of 256.
  EXPECT_EQ(attention_peak_bytes(ScheduleKind::ring, problem, AttentionPass::backward, q, 2, 10, 0),
            10 * (1584 + 1888));
}

TEST(PlanCost, ABroadcastOfQueriesHoldsNoOutputBesideItsPartials) {
  const AttentionProblem problem{.context_length = 20, .heads = 4, .kv_heads = 2, .head_size = 16};
  // Of a token 800 bytes as above. Two blocks of queries of 256; three partials, of 64 floats and three rows of 4 each.
  EXPECT_EQ(attention_peak_bytes(ScheduleKind::broadcast_queries, problem, AttentionPass::forward, kv, 2, 10, 0),
            10 * (800 + 2 * 256 + 3 * 304));
  EXPECT_EQ(attention_peak_bytes(ScheduleKind::broadcast_queries, problem, AttentionPass::forward, kv, 1, 10, 0),
            10 * (800 + 256))
      << "one rank computes into its own state";
}

TEST(PlanCost, PeakMemoryInBf16WithDocumentsByHand) {
  const AttentionProblem problem{.context_length = 20,
                                 .batch = 3,
                                 .heads = 4,
                                 .kv_heads = 2,
                                 .head_size = 16,
                                 .dtype = DType::bfloat16,
                                 .wire_dtype = DType::float32,
                                 .has_documents = true};
  // q, out 128 each, k, v 64 each, maximum, sum 16 each, id 4 = 420; output 256; K/V in fp32 and ids on the wire 260.
  EXPECT_EQ(attention_peak_bytes(ScheduleKind::ring, problem, AttentionPass::forward, kv, 2, 7, 1000),
            21 * (420 + 256 + 520) + 1000);
  // dout 128, delta 16, fp32 dq 256, dk, dv 128 each = 656; 2 x 260 + 3 x 256 = 1288.
  EXPECT_EQ(attention_peak_bytes(ScheduleKind::ring, problem, AttentionPass::forward_backward, kv, 2, 7, 1000),
            21 * (420 + 656 + 1288) + 1000);
}

TEST(PlanCost, TheForwardPassCanBeThePeak) {
  // One kv head of sixteen: the running output is larger than all blocks of a backward pass that rotates keys.
  const AttentionProblem problem{.context_length = 20, .heads = 16, .kv_heads = 1, .head_size = 16};
  // Output: 256 floats = 1024, and two K/V blocks of 128; the backward pass needs 2 x 128 + 3 x 128 only.
  const std::int64_t persistent = 2 * 1024 + 2 * 64 + 2 * 64 + 1024 + 64 + 1024 + 2 * 64;
  EXPECT_EQ(attention_peak_bytes(ScheduleKind::ring, problem, AttentionPass::forward_backward, kv, 4, 5, 0),
            5 * (persistent + 1024 + 256));
}

TEST(LayoutEfficiencyBound, OfARingIsAllPairsOverTheBusiestRanks) {
  for (const Layout layout : layouts) {
    for (const std::int64_t ranks : {1, 2, 3, 5, 8}) {
      for (const std::int64_t length : {1, 5, 17, 64}) {
        for (const bool is_causal : {true, false}) {
          const Partition partition(layout, length, ranks);
          std::int64_t all = 0;
          std::int64_t busiest = 0;
          for (std::int64_t step = 0; step < ranks; ++step) {
            std::int64_t most = 0;
            for (std::int64_t rank = 0; rank < ranks; ++rank) {
              const std::int64_t key_rank = (rank - step + ranks) % ranks;
              const std::int64_t pairs = visible_pairs_between(partition, rank, key_rank, is_causal);
              all += pairs;
              most = std::max(most, pairs);
            }
            busiest += most;
          }
          EXPECT_DOUBLE_EQ(layout_efficiency_bound(ScheduleKind::ring, partition, is_causal),
                           static_cast<double>(all) / static_cast<double>(ranks * busiest));
        }
      }
    }
  }
}

TEST(LayoutEfficiencyBound, OfLongContiguousSequencesIsHalfTheRingAndAlittle) {
  constexpr std::int64_t length = std::int64_t{1} << 20;
  for (const std::int64_t ranks : {1, 2, 3, 4, 8, 64}) {
    const auto p = static_cast<double>(ranks);
    EXPECT_NEAR(layout_efficiency_bound(ScheduleKind::ring, {Layout::contiguous, length, ranks}, true),
                p / 2 / (p - 0.5), 1e-4)
        << ranks;
  }
  EXPECT_NEAR(layout_efficiency_bound(ScheduleKind::ring, {Layout::contiguous, length, 8}, true), 0.533, 5e-4);
}

TEST(LayoutEfficiencyBound, OfBalancedLayoutsIsNearOne) {
  constexpr std::int64_t length = std::int64_t{1} << 20;
  for (const std::int64_t ranks : {1, 2, 3, 4, 8, 64}) {
    for (const Layout layout : {Layout::striped, Layout::zigzag}) {
      const double bound = layout_efficiency_bound(ScheduleKind::ring, {layout, length, ranks}, true);
      EXPECT_GT(bound, 0.999) << name_of(layout) << ' ' << ranks;
      EXPECT_LE(bound, 1.0) << name_of(layout) << ' ' << ranks;
    }
  }
}

TEST(LayoutEfficiencyBound, WithoutAMaskEveryLayoutIsBalanced) {
  for (const Layout layout : layouts) {
    EXPECT_DOUBLE_EQ(layout_efficiency_bound(ScheduleKind::ring, {layout, 4096, 8}, false), 1.0);
  }
}

}  // namespace
}  // namespace ringworld::test
