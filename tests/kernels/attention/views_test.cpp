/// @file  Operands, results and states that are parts of larger tensors.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "kernels/attention/block_problem.hpp"

namespace ringworld::test {
namespace {

class BlockAttentionViews : public BackendTest {};

TEST_P(BlockAttentionViews, OperandsMayBeSlicesOfOneInterleavedTensor) {
  constexpr std::int64_t batch = 2;
  constexpr std::int64_t tokens = 70;
  constexpr std::int64_t heads = 4;
  constexpr std::int64_t kv_heads = 2;
  constexpr std::int64_t head_size = 32;
  // A projection's result: heads of q, then of k, then of v, for each token; and one tensor of their gradients.
  Tensor<float, 4> qkv({batch, tokens, heads + 2 * kv_heads, head_size});
  Tensor<float, 4> dqkv({batch, tokens, heads + 2 * kv_heads, head_size});
  Tensor<float, 4> dout_storage({batch, tokens, heads + 1, head_size});
  Tensor<float, 4> out_storage({batch, tokens + 3, heads + 1, head_size}, Tensor<float, 4>::guard());
  fill_normal(qkv.view(), 3, 0);
  fill_normal(dout_storage.view(), 3, 1);
  const BlockOperands operands{.q = TensorView<const float, 4>(qkv.view().slice(2, 0, heads)),
                               .k = TensorView<const float, 4>(qkv.view().slice(2, heads, kv_heads)),
                               .v = TensorView<const float, 4>(qkv.view().slice(2, heads + kv_heads, kv_heads)),
                               .dout = TensorView<const float, 4>(dout_storage.view().slice(2, 1, heads)),
                               .mask = causal_mask(0)};
  BlockProblem owner({.batch = batch, .query_tokens = tokens, .heads = heads, .head_size = head_size});
  BlockResults results = owner.results();
  results.out = out_storage.view().slice(1, 2, tokens).slice(2, 1, heads);
  results.gradients = {.dq = dqkv.view().slice(2, 0, heads),
                       .dk = dqkv.view().slice(2, heads, kv_heads),
                       .dv = dqkv.view().slice(2, heads + kv_heads, kv_heads)};

  const auto attention = make(head_size);
  const ExpectedBlock expected = expected_of(operands, 1.0F / std::sqrt(32.0F));
  run_forward(*attention, operands, results, 2);
  expect_forward(results, expected, computed_in_fp32);
  run_backward(*attention, operands, results, 2);
  expect_backward(results, expected, computed_in_fp32);

  EXPECT_TRUE(owner.guards_are_intact() && out_storage.guards_are_intact() && dqkv.guards_are_intact());
  const auto untouched = std::ranges::count(out_storage.values(), Tensor<float, 4>::guard());
  EXPECT_EQ(untouched, batch * head_size * ((tokens + 3) * (heads + 1) - tokens * heads));
}

TEST_P(BlockAttentionViews, OperandsInBf16MayBeginAtAnyElement) {
  // Vectors of 16 in rows of 17: no two begin on the same alignment, and a kernel that copies wide pieces cannot.
  constexpr std::int64_t tokens = 40;
  const auto odd = [](std::uint64_t stream) {
    Tensor<bf16, 4> storage({1, tokens, 2, 17});
    fill_normal(storage.view(), 6, stream);
    return storage;
  };
  Tensor<bf16, 4> q = odd(0);
  Tensor<bf16, 4> k = odd(1);
  Tensor<bf16, 4> v = odd(2);
  Tensor<bf16, 4> dout = odd(3);
  const auto part = [](Tensor<bf16, 4>& storage) { return TensorView<const bf16, 4>(storage.view().slice(3, 1, 16)); };
  const BlockOperands operands{.q = part(q), .k = part(k), .v = part(v), .dout = part(dout), .mask = causal_mask(0)};
  BlockProblem owner({.query_tokens = tokens, .key_tokens = tokens});
  const BlockResults results = owner.results();
  const auto attention = make(16);
  const ExpectedBlock expected = expected_of(operands, 0.25F);
  run_forward(*attention, operands, results);
  expect_forward(results, expected, tolerance_of(GetParam(), DType::bfloat16));
  run_backward(*attention, operands, results);
  expect_backward(results, expected, tolerance_of(GetParam(), DType::bfloat16));
}

TEST_P(BlockAttentionViews, TokenRangesOfAStateAreWrittenAndNothingElse) {
  // As a zigzag rank does it: two chunks of queries, each with its own diagonal, in one state.
  constexpr std::int64_t half = 45;
  const BlockCase block_case{.batch = 2, .query_tokens = 2 * half, .key_tokens = 100, .heads = 4};
  BlockProblem problem(block_case);
  const BlockOperands all = problem.operands();
  const BlockResults results = problem.results();
  const auto attention = make(block_case.head_size);
  attention->reset(results.state);
  fill_normal(results.state.output, 8, 3);  // what nobody may touch, and NaN would not show
  for (const std::int64_t begin : {half, std::int64_t{0}}) {
    const std::int64_t diagonal = begin == 0 ? 7 : 81;
    const AttentionState state = results.state.token_range(begin, half);
    const auto in_other_half = [&] { return to_doubles(results.state.token_range(half - begin, half).output); };
    const std::vector<double> before = in_other_half();
    BlockOperands part = all;
    part.q = all.q.token_range(begin, half);
    part.dout = all.dout.token_range(begin, half);
    part.mask = causal_mask(diagonal);
    BlockProblem gradient_owner(block_case);
    const BlockResults part_results{.state = state,
                                    .out = results.out.token_range(begin, half),
                                    .delta = results.delta.slice(2, begin, half),
                                    .gradients = {.dq = results.gradients.dq.slice(1, begin, half),
                                                  .dk = gradient_owner.results().gradients.dk,
                                                  .dv = gradient_owner.results().gradients.dv}};
    const ExpectedBlock expected = expected_of(part, block_case.scale());
    run_forward(*attention, part, part_results, 3);
    expect_forward(part_results, expected, computed_in_fp32);
    EXPECT_EQ(in_other_half(), before);
    run_backward(*attention, part, part_results, 3);
    expect_backward(part_results, expected, computed_in_fp32);
  }
  EXPECT_TRUE(problem.guards_are_intact());
}

TEST_P(BlockAttentionViews, GradientsAreAddedToWhatIsThere) {
  const BlockCase block_case{.heads = 4, .diagonal = 50};
  BlockProblem problem(block_case);
  const BlockResults results = problem.results();
  fill_normal(results.gradients.dq, 8, 0);
  fill_normal(results.gradients.dk, 8, 1);
  fill_normal(results.gradients.dv, 8, 2);
  ExpectedBlock expected = expected_of(problem.operands(), block_case.scale());
  const auto add = [](std::vector<double>& sum, const std::vector<double>& more) {
    std::ranges::transform(sum, more, sum.begin(), std::plus<>());
  };
  add(expected.gradients.dq, to_doubles(results.gradients.dq));
  add(expected.gradients.dk, to_doubles(results.gradients.dk));
  add(expected.gradients.dv, to_doubles(results.gradients.dv));

  const auto attention = make(block_case.head_size);
  run_forward(*attention, problem.operands(), results);
  run_backward(*attention, problem.operands(), results);
  expect_backward(results, expected, computed_in_fp32);
}

TEST_P(BlockAttentionViews, OutputMayBeNarrowerThanTheState) {
  const BlockCase block_case{.batch = 2, .heads = 3, .kv_heads = 3};
  BlockProblem problem(block_case);
  ActivationTensor out(DType::bfloat16, {2, block_case.query_tokens, 3, 16});
  BlockResults results = problem.results();
  const auto attention = make(16);
  attention->reset(results.state);
  EXPECT_TRUE(attention->accumulate(forward_block(problem.operands()), results.state, {}));
  attention->finalize(results.state, results.out);
  attention->finalize(results.state, out.view());
  // Rounded once, to nearest: exactly what rounding the fp32 result gives.
  std::vector<double> rounded = to_doubles(ConstActivationView(results.out));
  for (double& value : rounded) {
    value = static_cast<double>(static_cast<float>(bf16(static_cast<float>(value))));
  }
  EXPECT_EQ(to_doubles(ConstActivationView(out.view())), rounded);
  EXPECT_TRUE(out.guards_are_intact());

  results.out = out.view();
  run_backward(*attention, problem.operands(), results);
  expect_backward(results, expected_of(problem.operands(), block_case.scale()), rounded_to_bf16);
}

TEST_P(BlockAttentionViews, DeltaIsTheProductOfOutputAndItsGradient) {
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    const BlockCase block_case{.batch = 2, .head_size = 100, .query_dtype = dtype, .key_dtype = dtype};
    BlockProblem problem(block_case);
    const BlockResults results = problem.results();
    const auto attention = make(100);
    run_forward(*attention, problem.operands(), results);
    attention->output_dot_gradient(results.out, problem.dout(), results.delta);
    const std::vector<double> out = to_doubles(ConstActivationView(results.out));
    const std::vector<double> dout = to_doubles(problem.operands().dout);
    std::vector<double> expected;
    for (std::size_t b = 0; b < 2; ++b) {
      for (std::size_t h = 0; h < 2; ++h) {
        for (std::size_t i = 0; i < 67; ++i) {
          double sum = 0.0;
          for (std::size_t d = 0; d < 100; ++d) {
            const std::size_t at = ((b * 67 + i) * 2 + h) * 100 + d;
            sum += out[at] * dout[at];
          }
          expected.push_back(sum);
        }
      }
    }
    EXPECT_TRUE(is_close("delta", to_doubles(results.delta), expected, computed_in_fp32));
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, BlockAttentionViews, ::testing::ValuesIn(tested_backends()), backend_test_name);

}  // namespace
}  // namespace ringworld::test
