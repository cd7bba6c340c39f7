/// @file  What the contract says besides the numbers: progress, errors, scratch memory.

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "core/error.hpp"
#include "device/buffer.hpp"
#include "kernels/attention/block_problem.hpp"

namespace ringworld::test {
namespace {

class BlockAttentionContract : public BackendTest {};

constexpr std::int64_t many_tokens = 400;

/// A device is handed a whole block at once: the only moment between tiles is after the last.
bool enqueues_whole_blocks(Backend backend) { return device_of(backend) == DeviceKind::cuda; }

TEST_P(BlockAttentionContract, ProgressIsCalledBetweenTiles) {
  BlockProblem problem({.query_tokens = many_tokens, .key_tokens = many_tokens, .heads = 4, .diagonal = 0});
  const BlockResults results = problem.results();
  const auto attention = make(16);
  std::int64_t calls = 0;
  const Progress progress = [&] {
    ++calls;
    return true;
  };
  attention->reset(results.state);
  EXPECT_TRUE(attention->accumulate(forward_block(problem.operands()), results.state, progress));
  const auto is_often_enough = [](std::int64_t count) {
    return enqueues_whole_blocks(GetParam()) ? count == 1 : count >= 4;
  };
  EXPECT_TRUE(is_often_enough(calls)) << calls;
  attention->finalize(results.state, results.out);
  attention->output_dot_gradient(results.out, problem.dout(), results.delta);
  calls = 0;
  EXPECT_TRUE(attention->backward(backward_block(problem.operands(), results), results.gradients, progress));
  EXPECT_TRUE(is_often_enough(calls)) << calls;
}

TEST_P(BlockAttentionContract, ProgressThatReturnsFalseStopsTheBlock) {
  BlockProblem problem({.query_tokens = many_tokens, .key_tokens = many_tokens, .heads = 4, .diagonal = 0});
  const BlockResults results = problem.results();
  const auto attention = make(16);
  for (const std::int64_t allowed : {0, 2}) {
    if (allowed > 0 && enqueues_whole_blocks(GetParam())) {
      continue;
    }
    std::int64_t calls = 0;
    const Progress progress = [&] { return ++calls <= allowed; };
    attention->reset(results.state);
    EXPECT_FALSE(attention->accumulate(forward_block(problem.operands()), results.state, progress));
    EXPECT_EQ(calls, allowed + 1) << "the forward pass went on after it was stopped";
    run_forward(*attention, problem.operands(), results);
    attention->output_dot_gradient(results.out, problem.dout(), results.delta);
    calls = 0;
    EXPECT_FALSE(attention->backward(backward_block(problem.operands(), results), results.gradients, progress));
    EXPECT_EQ(calls, allowed + 1) << "the backward pass went on after it was stopped";
  }
}

TEST_P(BlockAttentionContract, AnObjectCanBeUsedAgainAfterItWasStopped) {
  const BlockCase block_case{.query_tokens = many_tokens, .key_tokens = 70, .heads = 4};
  BlockProblem problem(block_case);
  const BlockResults results = problem.results();
  const auto attention = make(16);
  attention->reset(results.state);
  EXPECT_FALSE(attention->accumulate(forward_block(problem.operands()), results.state, [] { return false; }));
  run_forward(*attention, problem.operands(), results);
  expect_forward(results, expected_of(problem.operands(), block_case.scale()), computed_in_fp32);
}

TEST_P(BlockAttentionContract, TheOutputOfAFreshStateIsNotRead) {
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    for (const std::int64_t head_size : {16, 64, 128}) {
      const BlockCase block_case{.query_tokens = 150,
                                 .key_tokens = 150,
                                 .head_size = head_size,
                                 .query_dtype = dtype,
                                 .key_dtype = dtype,
                                 .diagonal = -3};
      BlockProblem problem(block_case);
      const BlockOperands operands = problem.operands();
      const BlockResults results = problem.results();
      ASSERT_TRUE(std::isnan(results.state.output(0, 0, 0, 0)));
      const auto attention = make(head_size);
      attention->reset(results.state);
      EXPECT_TRUE(std::isnan(results.state.output(0, 0, 0, 0))) << "reset writes more than it says";
      // Late queries and keys first: then tiles hold queries of which none, some and all have seen a key.
      EXPECT_TRUE(attention->accumulate({.q = operands.q.token_range(70, 80),
                                         .k = operands.k.token_range(75, 75),
                                         .v = operands.v.token_range(75, 75),
                                         .mask = causal_mask(-8)},
                                        results.state.token_range(70, 80), {}));
      EXPECT_TRUE(attention->accumulate({.q = operands.q,
                                         .k = operands.k.token_range(0, 75),
                                         .v = operands.v.token_range(0, 75),
                                         .mask = causal_mask(-3)},
                                        results.state, {}));
      attention->finalize(results.state, results.out);
      expect_forward(results, expected_of(operands, block_case.scale()), tolerance_of(GetParam(), dtype));
    }
  }
}

TEST_P(BlockAttentionContract, ScratchMemoryDoesNotGrowWithTheBlock) {
  const auto attention = make(16);
  const DeviceKind kind = device_of(GetParam());
  const std::int64_t before = memory_account(kind).current;
  const std::int64_t workspace = attention->workspace_bytes();
  BlockProblem problem({.query_tokens = many_tokens, .key_tokens = many_tokens});
  run_forward(*attention, problem.operands(), problem.results());
  run_backward(*attention, problem.operands(), problem.results());
  EXPECT_EQ(attention->workspace_bytes(), workspace);
  EXPECT_EQ(memory_account(kind).current, before);
}

TEST_P(BlockAttentionContract, ShapesThatContradictEachOtherAreRefused) {
  BlockProblem problem({.query_tokens = 9, .key_tokens = 8});
  const BlockOperands operands = problem.operands();
  const BlockResults results = problem.results();
  const auto attention = make(16);
  attention->reset(results.state);
  ForwardBlock block = forward_block(operands);
  block.v = block.v.token_range(0, 7);
  EXPECT_THROW(attention->accumulate(block, results.state, {}), Error);
  EXPECT_THROW(attention->accumulate(forward_block(operands), results.state.token_range(0, 8), {}), Error);
  BlockGradients gradients = results.gradients;
  gradients.dk = gradients.dk.slice(1, 0, 7);
  EXPECT_THROW(attention->backward(backward_block(operands, results), gradients, {}), Error);
  EXPECT_THROW(make(32)->accumulate(forward_block(operands), results.state, {}), Error);
}

INSTANTIATE_TEST_SUITE_P(Backends, BlockAttentionContract, ::testing::ValuesIn(tested_backends()), backend_test_name);

TEST(MakeBlockAttention, RefusesOtherHeadSizesAndNamesTheNearest) {
  const auto refusal = [](Backend backend, std::int64_t head_size) -> std::string {
    try {
      require_head_size(backend, head_size);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  for (const Backend backend : {Backend::kokkos, Backend::host, Backend::cuda}) {
    for (std::int64_t head_size = 8; head_size <= 256; head_size += 8) {
      EXPECT_EQ(refusal(backend, head_size), "accepted") << head_size;
    }
    EXPECT_EQ(refusal(backend, 100), "accepted");
    EXPECT_NE(refusal(backend, 20).find("the nearest is 16 or 24"), std::string::npos) << refusal(backend, 20);
    EXPECT_NE(refusal(backend, 7).find("the nearest is 8;"), std::string::npos) << refusal(backend, 7);
    EXPECT_NE(refusal(backend, 264).find("the nearest is 256;"), std::string::npos) << refusal(backend, 264);
  }
  EXPECT_EQ(refusal(Backend::reference, 301), "accepted");
  EXPECT_NE(refusal(Backend::reference, 0), "accepted");
  EXPECT_THROW(static_cast<void>(make_block_attention(Backend::host, {.head_size = 20})), Error);
}

TEST(ReferenceBlockAttention, CallsProgressOnceAQueryRow) {
  BlockProblem problem({.batch = 2, .query_tokens = 9, .key_tokens = 4, .heads = 3, .kv_heads = 1, .diagonal = -3});
  const auto attention = make_block_attention(Backend::reference, {.head_size = 16, .scale = 0.25F});
  const BlockResults results = problem.results();
  std::int64_t calls = 0;
  attention->reset(results.state);
  EXPECT_TRUE(attention->accumulate(forward_block(problem.operands()), results.state, [&] { return ++calls > 0; }));
  EXPECT_EQ(calls, 2 * 3 * 9);
}

}  // namespace
}  // namespace ringworld::test
