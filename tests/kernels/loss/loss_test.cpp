#include "kernels/loss/loss.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/loss/reference/softmax.hpp"
#include "kernels/row/finite_difference.hpp"
#include "kernels/row/guarded_rows.hpp"
#include "kernels/row/isa_case.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

constexpr std::int64_t token_count = 5;

TensorView<float, 2> floats(const RowsView& rows) {
  return {rows.row<float>(0), {rows.rows, rows.columns}, {rows.row_stride, 1}};
}

/// First and last column, and an ignored token.
std::vector<std::int32_t> targets_of(std::int64_t columns) {
  const auto last = static_cast<std::int32_t>(columns - 1);
  return {0, last, -1, last / 2, last / 3};
}

const std::vector<float> weights{0.25F, 1.0F, 3.0F, 0.0F, 0.5F};

struct Results {
  std::vector<double> nll;
  std::vector<double> nll_forward_only;
  std::vector<double> dlogits;
};

Results run(Backend backend, std::int64_t columns, float factor) {
  GuardedRows logits(DType::float32, token_count, columns, 1, factor);
  const std::vector<std::int32_t> targets = targets_of(columns);
  std::vector<float> nll(token_count, 7.0F);
  std::vector<float> nll_forward_only(token_count, 7.0F);
  const auto loss = make_cross_entropy(backend);
  loss->forward({.logits = floats(logits.view()), .targets = targets, .nll = nll_forward_only});
  loss->backward({.logits = floats(logits.view()), .targets = targets, .weights = weights, .nll = nll});
  EXPECT_TRUE(logits.guards_are_intact());
  return {{nll.begin(), nll.end()}, {nll_forward_only.begin(), nll_forward_only.end()}, logits.values()};
}

/// The same through the steps of a vocabulary in three shards, the reductions done by hand.
Results run_sharded(Backend backend, std::int64_t columns, float factor) {
  GuardedRows logits(DType::float32, token_count, columns, 1, factor);
  const std::vector<std::int32_t> targets = targets_of(columns);
  const std::array<std::int64_t, 4> bounds{0, columns / 4, columns - 1, columns};
  std::vector<CrossEntropyShard> shards;
  for (std::size_t i = 0; i + 1 < bounds.size(); ++i) {
    shards.push_back({.logits = floats(logits.view().column_range(bounds[i], bounds[i + 1] - bounds[i])),
                      .targets = targets,
                      .vocab_begin = bounds[i]});
  }
  const auto loss = make_cross_entropy(backend);
  const std::vector<float> zeros(token_count);
  std::vector<float> maximum(token_count, -std::numeric_limits<float>::infinity());
  std::vector<float> sum = zeros;
  std::vector<float> target_logit = zeros;
  std::vector<float> nll = zeros;
  const auto reduce = [](std::vector<float>& into, const std::vector<float>& from, auto combine) {
    std::ranges::transform(into, from, into.begin(), combine);
  };
  for (const CrossEntropyShard& shard : shards) {
    std::vector<float> part(token_count);
    loss->shard_maximum(shard, part);
    reduce(maximum, part, [](float a, float b) { return std::max(a, b); });
  }
  for (const CrossEntropyShard& shard : shards) {
    std::vector<float> part_sum(token_count);
    std::vector<float> part_logit(token_count);
    loss->shard_exponentials(shard, maximum, part_sum, part_logit);
    reduce(sum, part_sum, std::plus<>());
    reduce(target_logit, part_logit, std::plus<>());
  }
  negative_log_likelihoods(targets, maximum, sum, target_logit, nll);
  for (const CrossEntropyShard& shard : shards) {
    loss->shard_gradient(shard, sum, weights);
  }
  EXPECT_TRUE(logits.guards_are_intact());
  return {{nll.begin(), nll.end()}, {nll.begin(), nll.end()}, logits.values()};
}

void expect_close(const Results& actual, const Results& expected, Tolerance tolerance) {
  EXPECT_TRUE(is_close("nll", actual.nll, expected.nll, tolerance, 1.0));
  EXPECT_TRUE(is_close("nll, forward only", actual.nll_forward_only, expected.nll, tolerance, 1.0));
  EXPECT_TRUE(is_close("dlogits", actual.dlogits, expected.dlogits, tolerance));
}

class CrossEntropyCase : public IsaTest {};

TEST_P(CrossEntropyCase, EqualsReference) {
  for (const std::int64_t columns : {2, 24, 131, 4096}) {
    for (const float factor : {1.0F, 30.0F, 1e30F}) {
      expect_close(run(Backend::host, columns, factor), run(Backend::reference, columns, factor), row_in_fp32);
    }
  }
}

TEST_P(CrossEntropyCase, ShardsEqualTheWhole) {
  for (const std::int64_t columns : {8, 131, 4096}) {
    for (const float factor : {1.0F, 30.0F}) {
      for (const Backend backend : {Backend::host, Backend::reference}) {
        expect_close(run_sharded(backend, columns, factor), run(Backend::reference, columns, factor), row_in_fp32);
      }
    }
  }
}

TEST_P(CrossEntropyCase, IgnoredTokensAreNotReadAndHaveNoGradient) {
  std::vector<float> logits(2 * 24, std::numeric_limits<float>::quiet_NaN());
  const std::vector<std::int32_t> targets{-1, -100};
  std::vector<float> nll(2, 7.0F);
  const TensorView<float, 2> view(logits.data(), {2, 24});
  const auto loss = make_cross_entropy(Backend::host);
  loss->forward({.logits = view, .targets = targets, .nll = nll});
  EXPECT_EQ(nll, std::vector<float>(2, 0.0F));
  loss->backward({.logits = view, .targets = targets, .weights = std::vector<float>(2, 1.0F), .nll = nll});
  EXPECT_EQ(logits, std::vector<float>(48, 0.0F));
  EXPECT_EQ(nll, std::vector<float>(2, 0.0F));
}

TEST_P(CrossEntropyCase, ExcludedLogitsHaveProbabilityZero) {
  // A vocabulary padded with -inf, whose last shard may hold nothing else.
  constexpr float excluded = -std::numeric_limits<float>::infinity();
  std::vector<float> logits{1.0F, 1.0F, excluded, excluded};
  std::vector<float> nll(1);
  make_cross_entropy(Backend::host)
      ->backward({.logits = TensorView<float, 2>(logits.data(), {1, 4}),
                  .targets = std::vector<std::int32_t>{1},
                  .weights = std::vector<float>{1.0F},
                  .nll = nll});
  EXPECT_NEAR(nll[0], std::log(2.0), 1e-6);
  EXPECT_EQ(logits, (std::vector<float>{0.5F, -0.5F, 0.0F, 0.0F}));
}

TEST_P(CrossEntropyCase, RefusesATargetBeyondTheVocabulary) {
  std::vector<float> logits(48);
  std::vector<float> nll(2);
  for (const Backend backend : {Backend::reference, Backend::host}) {
    expect_error(ErrorKind::bad_input,
                 [&] {
                   make_cross_entropy(backend)->forward({.logits = TensorView<float, 2>(logits.data(), {2, 24}),
                                                         .targets = std::vector<std::int32_t>{3, 24},
                                                         .nll = nll});
                 },
                 {"target 24 of token 1", "24 logits"});
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, CrossEntropyCase, testing::ValuesIn(isa_cases()), isa_case_name);

TEST(CrossEntropy, GradientEqualsFiniteDifferences) {
  const std::vector<double> logits = normal_doubles(24, 1);
  std::vector<double> gradient = logits;
  reference::cross_entropy<double>(gradient, 7, 0.3);
  expect_gradient("dlogits", logits, gradient,
                  [](std::vector<double> at) { return 0.3 * reference::cross_entropy<double>(at, 7, 0.0); });
}

}  // namespace
}  // namespace ringworld::test
