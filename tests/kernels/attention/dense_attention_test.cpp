/// @file  The oracle itself: known results, and its gradients against finite differences in double precision.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/attention/tolerance.hpp"
#include "support/dense_attention.hpp"
#include "support/random_tensors.hpp"

namespace ringworld::test {
namespace {

/// Central differences of step 1e-5 in double: truncation 1e-10 of the third derivative, rounding 1e-11 of the loss.
constexpr Tolerance finite_differences{.rms = 1e-8, .largest = 1e-8};
constexpr double step = 1e-5;

std::vector<double> normals(std::int64_t count, std::uint64_t stream) {
  Tensor<float, 4> drawn({1, 1, 1, count});
  fill_normal(drawn.view(), 11, stream);
  return to_doubles(drawn.view());
}

DenseAttention small_problem(bool is_causal, std::vector<std::int32_t> document_ids) {
  constexpr std::int64_t tokens = 7;
  return {.batch = 2,
          .query_tokens = tokens,
          .key_tokens = tokens,
          .heads = 4,
          .kv_heads = 2,
          .head_size = 3,
          .scale = 0.6,
          .is_visible = whole_sequence(tokens, is_causal, std::move(document_ids)),
          .q = normals(std::int64_t{2} * tokens * 4 * 3, 0),
          .k = normals(std::int64_t{2} * tokens * 2 * 3, 1),
          .v = normals(std::int64_t{2} * tokens * 2 * 3, 2)};
}

double loss(const DenseAttention& problem, const std::vector<double>& dout) {
  const std::vector<double> out = dense_forward(problem).out;
  double sum = 0.0;
  for (std::size_t index = 0; index < out.size(); ++index) {
    sum += out[index] * dout[index];
  }
  return sum;
}

std::vector<double> differences(DenseAttention problem, std::vector<double> DenseAttention::* input,
                                const std::vector<double>& dout) {
  std::vector<double> result;
  for (double& element : problem.*input) {
    const double value = element;
    element = value + step;
    const double above = loss(problem, dout);
    element = value - step;
    const double below = loss(problem, dout);
    element = value;
    result.push_back((above - below) / (2.0 * step));
  }
  return result;
}

void expect_gradients_equal_differences(const DenseAttention& problem) {
  const std::vector<double> dout = normals(static_cast<std::int64_t>(problem.q.size()), 3);
  const DenseGradients gradients = dense_backward(problem, dout);
  EXPECT_TRUE(is_close("dq", gradients.dq, differences(problem, &DenseAttention::q, dout), finite_differences));
  EXPECT_TRUE(is_close("dk", gradients.dk, differences(problem, &DenseAttention::k, dout), finite_differences));
  EXPECT_TRUE(is_close("dv", gradients.dv, differences(problem, &DenseAttention::v, dout), finite_differences));
}

TEST(DenseAttention, GradientsEqualFiniteDifferences) {
  expect_gradients_equal_differences(small_problem(false, {}));
  expect_gradients_equal_differences(small_problem(true, {}));
  expect_gradients_equal_differences(small_problem(true, {0, 0, 0, 1, 1, -1, -1, 5, 5, 2, 2, 2, 2, -1}));
}

TEST(DenseAttention, OneVisibleKeyGivesItsValue) {
  const DenseAttention problem = small_problem(true, {});
  const DenseOutput output = dense_forward(problem);
  // The first token sees itself only; query heads 0 and 1 read key/value head 0, heads 2 and 3 read head 1.
  for (std::size_t h = 0; h < 4; ++h) {
    double score = 0.0;
    for (std::size_t d = 0; d < 3; ++d) {
      EXPECT_DOUBLE_EQ(output.out[h * 3 + d], problem.v[h / 2 * 3 + d]);
      score += problem.scale * problem.q[h * 3 + d] * problem.k[h / 2 * 3 + d];
    }
    EXPECT_NEAR(output.lse[h * 7], score, 1e-15);
  }
}

TEST(DenseAttention, EqualScoresGiveTheMean) {
  DenseAttention problem = small_problem(false, {});
  std::ranges::fill(problem.q, 0.0);
  const DenseOutput output = dense_forward(problem);
  double mean = 0.0;
  for (std::size_t t = 0; t < 7; ++t) {
    mean += problem.v[t * 2 * 3] / 7.0;
  }
  EXPECT_NEAR(output.out[0], mean, 1e-15);
  EXPECT_NEAR(output.lse[0], std::log(7.0), 1e-15);
}

TEST(DenseAttention, PaddingSeesNothing) {
  const DenseOutput output = dense_forward(small_problem(false, {0, 0, 0, 1, 1, -1, -1, 5, 5, 2, 2, 2, 2, -1}));
  EXPECT_EQ(output.lse[5], -std::numeric_limits<double>::infinity());
  EXPECT_EQ(output.out[std::size_t{5} * 4 * 3], 0.0);
  EXPECT_TRUE(std::isfinite(output.lse[4]));
}

}  // namespace
}  // namespace ringworld::test
