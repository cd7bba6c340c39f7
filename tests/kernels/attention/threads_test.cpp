/// @file  Threads inside a rank: the host backend's results, progress and errors on several of them.

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include "core/error.hpp"
#include "core/thread_team.hpp"
#include "kernels/attention/block_problem.hpp"

namespace ringworld::test {
namespace {

/// Pairs of sequence and key/value head: one that all threads share, as many as threads, and some left over.
class BlockAttentionThreads : public ::testing::TestWithParam<std::int64_t> {
 protected:
  void SetUp() override {
    if (largest_team() == 1) {
      GTEST_SKIP() << "this build has no OpenMP";
    }
  }

  [[nodiscard]] static BlockCase block_case(DType dtype) {
    return {.query_tokens = 330,
            .key_tokens = 330,
            .heads = 2 * GetParam(),
            .kv_heads = GetParam(),
            .head_size = 64,
            .query_dtype = dtype,
            .key_dtype = dtype,
            .diagonal = 0,
            .parts = 2};
  }
  [[nodiscard]] static std::unique_ptr<BlockAttention> make(int threads) {
    return make_block_attention(Backend::host, {.head_size = 64, .scale = 0.125F, .threads = threads});
  }
};

TEST_P(BlockAttentionThreads, ResultsDoNotDependOnTheNumberOfThreads) {
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    BlockProblem problem(block_case(dtype));
    const BlockResults results = problem.results();
    const ExpectedBlock expected = expected_of(problem.operands(), 0.125F);
    const auto alone = make(1);
    run_forward(*alone, problem.operands(), results);
    const std::vector<double> out_of_one = to_doubles(ConstActivationView(results.out));
    for (const int threads : {2, 3}) {
      BlockProblem shared(block_case(dtype));
      const BlockResults shared_results = shared.results();
      const auto together = make(threads);
      run_forward(*together, shared.operands(), shared_results);
      EXPECT_EQ(to_doubles(ConstActivationView(shared_results.out)), out_of_one) << threads << " threads";
      run_backward(*together, shared.operands(), shared_results, 2);
      expect_backward(shared_results, expected, tolerance_of(Backend::host, dtype));
      EXPECT_TRUE(shared.guards_are_intact());
    }
  }
}

TEST_P(BlockAttentionThreads, OnlyTheCallerCallsProgressAndItStopsAll) {
  BlockProblem problem(block_case(DType::float32));
  const BlockResults results = problem.results();
  const auto together = make(3);
  const std::thread::id caller = std::this_thread::get_id();
  std::atomic<int> calls = 0;
  std::atomic<int> calls_elsewhere = 0;
  const Progress progress = [&] {
    calls_elsewhere += std::this_thread::get_id() == caller ? 0 : 1;
    return ++calls < 2;
  };
  const BlockOperands operands = problem.operands();
  const ForwardBlock block{.q = operands.q, .k = operands.k, .v = operands.v, .mask = operands.mask};
  together->reset(results.state);
  EXPECT_FALSE(together->accumulate(block, results.state, progress));
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(calls_elsewhere, 0);
}

TEST_P(BlockAttentionThreads, WhatProgressThrowsReachesTheCaller) {
  BlockProblem problem(block_case(DType::float32));
  const BlockResults results = problem.results();
  const auto together = make(2);
  const BlockOperands operands = problem.operands();
  const ForwardBlock block{.q = operands.q, .k = operands.k, .v = operands.v, .mask = operands.mask};
  together->reset(results.state);
  EXPECT_THROW(together->accumulate(block, results.state, []() -> bool { throw std::runtime_error("lost"); }),
               std::runtime_error);
  run_forward(*together, operands, results);
  expect_forward(results, expected_of(operands, 0.125F), computed_in_fp32);
}

INSTANTIATE_TEST_SUITE_P(KeyValueHeads, BlockAttentionThreads, ::testing::Values(1, 2, 3));

TEST(MakeBlockAttention, RefusesThreadsThatABackendCannotUse) {
  EXPECT_THROW(static_cast<void>(make_block_attention(Backend::host, {.head_size = 64, .threads = 0})), Error);
  EXPECT_THROW(static_cast<void>(make_block_attention(Backend::reference, {.head_size = 64, .threads = 2})), Error);
}

TEST(MakeBlockAttention, RefusesAScaleThatIsNotPositive) {
  for (const float scale : {0.0F, -1.0F, std::numeric_limits<float>::quiet_NaN()}) {
    EXPECT_THROW(static_cast<void>(make_block_attention(Backend::host, {.head_size = 64, .scale = scale})), Error);
  }
}

}  // namespace
}  // namespace ringworld::test
