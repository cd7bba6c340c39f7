/// @file  Scores at the ends of the range, and rows without any key.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "kernels/attention/block_problem.hpp"
#include "kernels/attention/cost.hpp"

namespace ringworld::test {
namespace {

class BlockAttentionExtremes : public BackendTest {};

TEST_P(BlockAttentionExtremes, HugeScoresNeitherOverflowNorLoseTheirDifferences) {
  // Whole numbers keep scores of some 1e4 exact in fp32, and exact as bf16 operands: the usual bounds hold for the
  // forward pass.
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    for (const std::int64_t parts : {1, 4}) {
      const BlockCase block_case{.head_size = 128, .query_dtype = dtype, .key_dtype = dtype, .diagonal = 62};
      BlockProblem problem(block_case);
      fill_integers(problem.q(), 5, 0, 28);
      fill_integers(problem.k(), 5, 1, 28);
      fill_integers(problem.v(), 5, 2, 4);
      fill_integers(problem.dout(), 5, 3, 4);
      const auto attention = make(block_case.head_size, 1.0F);
      const BlockResults results = problem.results();
      const ExpectedBlock expected = expected_of(problem.operands(), 1.0F);
      const Tolerance tolerance = tolerance_of(GetParam(), dtype);
      const Tolerance gradient_tolerance =
          tolerance.rms < gradients_of_huge_scores.rms ? gradients_of_huge_scores : tolerance;
      ASSERT_GT(std::ranges::max(expected.output.lse), 9e3);
      ASSERT_LT(std::ranges::min(expected.output.lse), 5e3);

      run_forward(*attention, problem.operands(), results, parts);
      expect_forward(results, expected, tolerance);
      run_backward(*attention, problem.operands(), results, parts);
      expect_backward(results, expected, gradient_tolerance);
    }
  }
}

TEST_P(BlockAttentionExtremes, HugeNegativeScoresDoNotUnderflowToNothing) {
  BlockProblem problem({.query_tokens = 40, .key_tokens = 70, .head_size = 64});
  for_each_element(problem.q().as<float>(), [](std::uint64_t /*index*/, float& element) { element = 12.0F; });
  for_each_element(problem.k().as<float>(), [](std::uint64_t index, float& element) {
    const std::uint64_t token_and_head = index / 64;
    element = -13.0F - static_cast<float>(token_and_head % 3) / 1024.0F;
  });
  const auto attention = make(64, 1.0F);
  const BlockResults results = problem.results();
  const ExpectedBlock expected = expected_of(problem.operands(), 1.0F);
  ASSERT_LT(std::ranges::max(expected.output.lse), -9e3);

  run_forward(*attention, problem.operands(), results);
  expect_forward(results, expected, computed_in_fp32);
}

TEST_P(BlockAttentionExtremes, ZeroOperandsGiveTheMeanOfTheValues) {
  BlockProblem problem({.query_tokens = 3, .key_tokens = 64});
  fill_integers(problem.q(), 0, 0, 0);
  const auto attention = make(16);
  const BlockResults results = problem.results();
  run_forward(*attention, problem.operands(), results);
  EXPECT_NEAR(results.lse(0, 1, 2), std::log(64.0), 1e-6);
  expect_forward(results, expected_of(problem.operands(), 0.25F), computed_in_fp32);
}

TEST_P(BlockAttentionExtremes, RowsWithoutAKeyEndAsZeroAndGiveNoGradient) {
  constexpr std::int64_t hidden = 50;
  const BlockCase block_case{.query_tokens = 130, .key_tokens = 130, .diagonal = -hidden};
  BlockProblem problem(block_case);
  const auto attention = make(16);
  const BlockResults results = problem.results();
  run_forward(*attention, problem.operands(), results);
  run_backward(*attention, problem.operands(), results);
  for (std::int64_t h = 0; h < block_case.heads; ++h) {
    for (std::int64_t i = 0; i < hidden; ++i) {
      EXPECT_EQ(results.state.sum(0, h, i), 0.0F);
      EXPECT_EQ(results.state.maximum(0, h, i), -std::numeric_limits<float>::infinity());
      EXPECT_EQ(results.lse(0, h, i), -std::numeric_limits<double>::infinity());
      for (std::int64_t d = 0; d < 16; ++d) {
        EXPECT_EQ(results.out.as<float>()(0, i, h, d), 0.0F);
        EXPECT_EQ(results.gradients.dq(0, i, h, d), 0.0F);
        // And the last keys are seen by nobody.
        EXPECT_EQ(results.gradients.dk(0, 129 - i, h, d), 0.0F);
        EXPECT_EQ(results.gradients.dv(0, 129 - i, h, d), 0.0F);
      }
    }
    EXPECT_TRUE(std::isfinite(results.lse(0, h, hidden)));
  }
}

TEST_P(BlockAttentionExtremes, ARowThatSawNothingInTheWholeSequenceGivesNoGradientEvenWhereTheMaskShowsKeys) {
  // A sum of 0 can meet a visible key only through a caller's mistake or a score of -inf; neither may make a NaN.
  BlockProblem problem({.query_tokens = 33, .key_tokens = 40});
  const auto attention = make(16);
  const BlockResults results = problem.results();
  run_forward(*attention, problem.operands(), results);
  attention->output_dot_gradient(results.out, problem.dout(), results.delta);
  for (std::int64_t h = 0; h < 2; ++h) {
    for (std::int64_t i = 0; i < 33; ++i) {
      results.state.maximum(0, h, i) = -std::numeric_limits<float>::infinity();
      results.state.sum(0, h, i) = 0.0F;
    }
  }
  const BlockOperands operands = problem.operands();
  EXPECT_TRUE(attention->backward(backward_block(operands, results), results.gradients, {}));
  const auto is_zero = [](double value) { return value == 0.0; };
  EXPECT_TRUE(std::ranges::all_of(to_doubles(results.gradients.dq), is_zero));
  EXPECT_TRUE(std::ranges::all_of(to_doubles(results.gradients.dk), is_zero));
  EXPECT_TRUE(std::ranges::all_of(to_doubles(results.gradients.dv), is_zero));
}

/// Sum over all rows, an element of it a kv head and column.
std::vector<double> column_sums(const std::vector<double>& values, std::size_t columns) {
  std::vector<double> sums(columns);
  for (std::size_t index = 0; index < values.size(); ++index) {
    sums[index % columns] += values[index];
  }
  return sums;
}

TEST_P(BlockAttentionExtremes, WeightsAddUpToOneWhateverTheSizeOfTheScores) {
  // One column of q and k is huge, and so is every score, far beyond where fp32 holds whole numbers. The weights of a
  // query add up to one, so that dv sums to what dout sums to.
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    for (const auto& [q, k] : {std::pair(448.0F, 1880.0F), std::pair(448.0F, -1880.0F), std::pair(44800.0F, 188000.0F),
                               std::pair(1e6F, -1e6F), std::pair(3e9F, 2e12F)}) {
      const BlockCase block_case{.heads = 2,
                                 .kv_heads = 1,
                                 .head_size = 64,
                                 .query_dtype = dtype,
                                 .key_dtype = dtype,
                                 .diagonal = 62,
                                 .parts = 3};
      BlockProblem problem(block_case);
      const auto set_first_column = [](const ActivationView& tensor, float value) {
        with_type(tensor.dtype, [&](auto element) {
          using Element = decltype(element);
          for_each_element(tensor.as<Element>(), [&](std::uint64_t index, Element& number) {
            number = index % 64 == 0 ? Element(value) : number;
          });
        });
      };
      set_first_column(problem.q(), q);
      set_first_column(problem.k(), k);
      const auto attention = make(64);
      const BlockResults results = problem.results();
      run_forward(*attention, problem.operands(), results, block_case.parts);
      run_backward(*attention, problem.operands(), results, block_case.parts);
      const Tolerance tolerance = tolerance_of(GetParam(), dtype);
      EXPECT_TRUE(is_close("sum of dv", column_sums(to_doubles(results.gradients.dv), 64),
                           column_sums(to_doubles(ConstActivationView(problem.dout())), 64), tolerance))
          << "q " << q << " k " << k;
      for (const auto& values : {to_doubles(ConstActivationView(results.out)), to_doubles(results.gradients.dq),
                                 to_doubles(results.gradients.dk)}) {
        EXPECT_TRUE(std::ranges::all_of(values, [](double value) { return std::isfinite(value); }));
      }
    }
  }
}

TEST_P(BlockAttentionExtremes, GradientsOfScoresOfThousandsLoseNothingToALogSumExp) {
  // Multiples of 1/8 around 3000, which fp32 holds: of what the backward pass is given, only a log-sum-exp would not be.
  const BlockCase block_case{.head_size = 64, .diagonal = 62, .parts = 2};
  BlockProblem problem(block_case);
  fill_integers(problem.q(), 11, 0, 4);
  fill_integers(problem.k(), 11, 1, 2);
  for_each_element(problem.q().as<float>(), [](std::uint64_t /*index*/, float& element) { element += 8.0F; });
  for_each_element(problem.k().as<float>(), [](std::uint64_t /*index*/, float& element) { element += 47.0F; });
  const auto attention = make(64);
  const BlockResults results = problem.results();
  const ExpectedBlock expected = expected_of(problem.operands(), block_case.scale());
  ASSERT_GT(std::ranges::min(expected.output.lse), 2500.0);
  run_forward(*attention, problem.operands(), results, block_case.parts);
  run_backward(*attention, problem.operands(), results, block_case.parts);
  expect_backward(results, expected, gradients_of_huge_scores);
}

TEST_P(BlockAttentionExtremes, AScoreAboveTheMaximumOfTheForwardPassIsRefused) {
  BlockProblem problem({.query_tokens = 33, .key_tokens = 40});
  const auto attention = make(16);
  const BlockResults results = problem.results();
  run_forward(*attention, problem.operands(), results);
  attention->output_dot_gradient(results.out, problem.dout(), results.delta);
  results.state.maximum(0, 1, 5) -= 3.0F;
  EXPECT_TRUE(attention->backward(backward_block(problem.operands(), results), results.gradients, {}));
  EXPECT_TRUE(std::isnan(results.gradients.dq(0, 5, 1, 0)));
  EXPECT_TRUE(std::isfinite(results.gradients.dq(0, 6, 1, 0)));
  EXPECT_TRUE(std::isfinite(results.gradients.dq(0, 5, 0, 0)));
}

INSTANTIATE_TEST_SUITE_P(Backends, BlockAttentionExtremes, ::testing::ValuesIn(tested_backends()), backend_test_name);

TEST(VisiblePairs, OfADiagonalWithoutLimitIsNothingOrEverything) {
  for (const std::int64_t limit : {std::numeric_limits<std::int64_t>::max(), std::int64_t{5}, std::int64_t{4}}) {
    BlockMask mask;
    mask.is_causal = true;
    mask.diagonal = limit;
    EXPECT_EQ(visible_pairs(3, 5, mask), 15);
  }
  for (const std::int64_t limit : {std::numeric_limits<std::int64_t>::min(), std::int64_t{-3}, std::int64_t{-4}}) {
    BlockMask mask;
    mask.is_causal = true;
    mask.diagonal = limit;
    EXPECT_EQ(visible_pairs(3, 5, mask), 0);
  }
}

}  // namespace
}  // namespace ringworld::test
