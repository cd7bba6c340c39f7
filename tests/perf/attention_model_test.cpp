/// @file  The models against counting and against numbers worked out by hand: nothing here repeats their formulas.

#include "perf/attention_model.hpp"

#include <gtest/gtest.h>

namespace ringworld::test {
namespace {

constexpr auto kv = BackwardRotation::kv;
constexpr auto q = BackwardRotation::q;

/// Walks through attention and counts every multiplication and addition of its five matrix products.
struct CountedFlop {
  double forward = 0;
  double backward = 0;
};

CountedFlop count_flop(const AttentionProblem& problem, bool is_causal) {
  CountedFlop flop;
  for (std::int64_t b = 0; b < problem.batch; ++b) {
    for (std::int64_t h = 0; h < problem.heads; ++h) {
      for (std::int64_t i = 0; i < problem.context_length; ++i) {
        for (std::int64_t j = 0; j < problem.context_length; ++j) {
          if (is_causal && j > i) {
            continue;
          }
          for (std::int64_t d = 0; d < problem.head_size; ++d) {
            flop.forward += 2;   // score += q * k
            flop.forward += 2;   // out += p * v
            flop.backward += 2;  // score again
            flop.backward += 2;  // dp += dout * v
            flop.backward += 2;  // dv += p * dout
            flop.backward += 2;  // dq += ds * k
            flop.backward += 2;  // dk += ds * q
          }
        }
      }
    }
  }
  return flop;
}

TEST(AttentionModel, VisiblePairsEqualCounting) {
  for (const std::int64_t length : {1, 2, 5, 33}) {
    std::int64_t causal = 0;
    for (std::int64_t i = 0; i < length; ++i) {
      for (std::int64_t j = 0; j < length; ++j) {
        causal += j <= i ? 1 : 0;
      }
    }
    EXPECT_EQ(visible_pairs(length, true), static_cast<double>(causal));
    EXPECT_EQ(visible_pairs(length, false), static_cast<double>(length * length));
  }
}

TEST(AttentionModel, FlopEqualCounting) {
  const AttentionProblem problem{.context_length = 13, .batch = 2, .heads = 3, .kv_heads = 1, .head_size = 16};
  for (const bool is_causal : {true, false}) {
    const CountedFlop counted = count_flop(problem, is_causal);
    EXPECT_EQ(attention_flop(problem, AttentionPass::forward, is_causal), counted.forward);
    EXPECT_EQ(attention_flop(problem, AttentionPass::backward, is_causal), counted.backward);
    EXPECT_EQ(attention_flop(problem, AttentionPass::forward_backward, is_causal), counted.forward + counted.backward);
  }
}

TEST(AttentionModel, FlopOfAMillionTokensDoNotOverflow) {
  const AttentionProblem problem{
      .context_length = std::int64_t{1} << 20, .batch = 1, .heads = 32, .kv_heads = 32, .head_size = 128};
  // 4 * 2^12 * 2^40 = 2^54 full, 1.8e16; causal is half of it and half a diagonal.
  EXPECT_DOUBLE_EQ(attention_flop(problem, AttentionPass::forward, false), 0x1.0p54);
  EXPECT_NEAR(attention_flop(problem, AttentionPass::forward, true) / 0x1.0p53, 1.0, 1e-5);
}

TEST(AttentionModel, MemoryBytesByHand) {
  AttentionProblem problem{.context_length = 10, .batch = 2, .heads = 4, .kv_heads = 2, .head_size = 16};
  // fp32: q, out 256 bytes a token each, k, v 128 each, maximum and sum 16 each.
  EXPECT_EQ(attention_memory_bytes(problem, AttentionPass::forward), 20 * (768 + 32));
  // q, dout, k, v as before, maximum, sum and delta 16 each; dq 256, dk, dv 128 each, all read and written.
  EXPECT_EQ(attention_memory_bytes(problem, AttentionPass::backward), 20 * (768 + 48 + 1024));
  EXPECT_EQ(attention_memory_bytes(problem, AttentionPass::forward_backward), 20 * (800 + 1840));
  problem.dtype = DType::bfloat16;
  problem.has_segments = true;
  EXPECT_EQ(attention_memory_bytes(problem, AttentionPass::backward), 20 * (384 + 4 + 48 + 1024));
}

TEST(AttentionModel, BytesOfATokenByHand) {
  AttentionProblem problem{.context_length = 100,
                           .batch = 2,
                           .heads = 8,
                           .kv_heads = 2,
                           .head_size = 64,
                           .dtype = DType::bfloat16,
                           .wire_dtype = DType::bfloat16};
  EXPECT_EQ(kv_wire_bytes_per_token(problem), 512) << "K and V of 2 heads: 2 x 128 numbers of 2 bytes";
  EXPECT_EQ(q_wire_bytes_per_token(problem), 2144) << "Q and dO of 8 heads: 2 x 512 x 2, and 3 x 8 floats";
  EXPECT_EQ(gradient_wire_bytes_per_token(problem, kv), 1024) << "dK and dV of 2 heads: 2 x 128 floats";
  EXPECT_EQ(gradient_wire_bytes_per_token(problem, q), 2048) << "dQ of 8 heads: 512 floats";
  problem.has_segments = true;
  EXPECT_EQ(kv_wire_bytes_per_token(problem), 516);
  EXPECT_EQ(q_wire_bytes_per_token(problem), 2148);
  EXPECT_EQ(gradient_wire_bytes_per_token(problem, kv), 1024);
  problem.has_segments = false;
  problem.wire_dtype = DType::float32;
  EXPECT_EQ(kv_wire_bytes_per_token(problem), 1024);
  EXPECT_EQ(q_wire_bytes_per_token(problem), 4192);
  EXPECT_EQ(gradient_wire_bytes_per_token(problem, q), 2048) << "gradients are fp32 whatever the wire type";
}

TEST(AttentionModel, BytesOfARingByHand) {
  const AttentionProblem problem{.context_length = 100,
                                 .batch = 2,
                                 .heads = 8,
                                 .kv_heads = 2,
                                 .head_size = 64,
                                 .dtype = DType::bfloat16,
                                 .wire_dtype = DType::bfloat16};
  // 200 tokens travel 3 hops each.
  EXPECT_EQ(ring_wire_bytes(problem, AttentionPass::forward, kv, 4), 600 * 512);
  EXPECT_EQ(ring_wire_bytes(problem, AttentionPass::backward, kv, 4), 600 * (512 + 1024));
  EXPECT_EQ(ring_wire_bytes(problem, AttentionPass::backward, q, 4), 600 * (2144 + 2048));
  EXPECT_EQ(ring_wire_bytes(problem, AttentionPass::forward_backward, kv, 4), 600 * (512 + 512 + 1024));
  EXPECT_EQ(ring_wire_bytes(problem, AttentionPass::forward_backward, q, 4), 600 * (512 + 2144 + 2048));
  EXPECT_EQ(ring_wire_bytes(problem, AttentionPass::forward_backward, q, 1), 0);
}

TEST(AttentionModel, OneRotationIsCheaperForManyKeyHeadsTheOtherForFew) {
  const auto cheaper = [](std::int64_t heads, std::int64_t kv_heads, DType wire_dtype) {
    return cheaper_rotation(
        {.context_length = 1, .heads = heads, .kv_heads = kv_heads, .head_size = 128, .wire_dtype = wire_dtype});
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

TEST(AttentionModel, TheCheaperRotationMovesFewerBytes) {
  for (const std::int64_t kv_heads : {1, 2, 3, 6, 12}) {
    for (const DType wire_dtype : {DType::float32, DType::bfloat16}) {
      const AttentionProblem problem{
          .context_length = 64, .heads = 12, .kv_heads = kv_heads, .head_size = 16, .wire_dtype = wire_dtype};
      const BackwardRotation chosen = cheaper_rotation(problem);
      const BackwardRotation other = chosen == kv ? q : kv;
      EXPECT_LE(ring_wire_bytes(problem, AttentionPass::backward, chosen, 4),
                ring_wire_bytes(problem, AttentionPass::backward, other, 4));
    }
  }
}

TEST(AttentionModel, PeakMemoryByHand) {
  const AttentionProblem problem{.context_length = 20, .heads = 4, .kv_heads = 2, .head_size = 16};
  // A token: q, out 256 bytes each, k, v 128 each, maximum and sum 16 each = 800. Output: 64 floats. K/V on the wire 256.
  EXPECT_EQ(attention_peak_bytes(problem, AttentionPass::forward, kv, 1, 10, 0), 10 * (800 + 256));
  EXPECT_EQ(attention_peak_bytes(problem, AttentionPass::forward, kv, 2, 10, 0), 10 * (800 + 256 + 512));
  // And dout 256, delta 16, dq 256, dk, dv 128 each: 784 more. One rank needs no blocks.
  EXPECT_EQ(attention_peak_bytes(problem, AttentionPass::forward_backward, kv, 1, 10, 0), 10 * (1584 + 256));
  // Two K/V blocks and three dK/dV blocks of 256: 1280, more than the 768 of the forward pass.
  EXPECT_EQ(attention_peak_bytes(problem, AttentionPass::forward_backward, kv, 2, 10, 0), 10 * (1584 + 1280));
  // Two blocks of Q, dO, maximum, sum, delta of 560 and three dQ blocks of 256.
  EXPECT_EQ(attention_peak_bytes(problem, AttentionPass::backward, q, 2, 10, 0), 10 * (1584 + 1888));
}

TEST(AttentionModel, PeakMemoryInBf16WithDocumentsByHand) {
  const AttentionProblem problem{.context_length = 20,
                                 .batch = 3,
                                 .heads = 4,
                                 .kv_heads = 2,
                                 .head_size = 16,
                                 .dtype = DType::bfloat16,
                                 .wire_dtype = DType::float32,
                                 .has_segments = true};
  // q, out 128 each, k, v 64 each, maximum, sum 16 each, id 4 = 420; output 256; K/V in fp32 and ids on the wire 260.
  EXPECT_EQ(attention_peak_bytes(problem, AttentionPass::forward, kv, 2, 7, 1000), 21 * (420 + 256 + 520) + 1000);
  // dout 128, delta 16, fp32 dq 256, dk, dv 128 each = 656; 2 x 260 + 3 x 256 = 1288.
  EXPECT_EQ(attention_peak_bytes(problem, AttentionPass::forward_backward, kv, 2, 7, 1000),
            21 * (420 + 656 + 1288) + 1000);
}

TEST(AttentionModel, TheForwardPassCanBeThePeak) {
  // One kv head of sixteen: the running output is larger than all blocks of a backward pass that rotates keys.
  const AttentionProblem problem{.context_length = 20, .heads = 16, .kv_heads = 1, .head_size = 16};
  // Output: 256 floats = 1024, and two K/V blocks of 128; the backward pass needs 2 x 128 + 3 x 128 only.
  const std::int64_t persistent = 2 * 1024 + 2 * 64 + 2 * 64 + 1024 + 64 + 1024 + 2 * 64;
  EXPECT_EQ(attention_peak_bytes(problem, AttentionPass::forward_backward, kv, 4, 5, 0), 5 * (persistent + 1024 + 256));
}

}  // namespace
}  // namespace ringworld::test
