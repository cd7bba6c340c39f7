#include "kernels/loss/loss.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/elementwise/backend_case.hpp"
#include "kernels/elementwise/finite_difference.hpp"
#include "kernels/elementwise/guarded_rows.hpp"
#include "kernels/loss/reference/softmax.hpp"
#include "support/device_mirror.hpp"
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
  DeviceMirror on(backend);
  const TensorView<float, 2> logits_there = floats(on(logits.view()));
  const auto loss = make_cross_entropy(backend);
  loss->forward({.logits = logits_there, .targets = on(targets), .nll = on(nll_forward_only)});
  loss->backward({.logits = logits_there, .targets = on(targets), .weights = on(weights), .nll = on(nll)});
  on.fetch();
  EXPECT_TRUE(logits.guards_are_intact());
  return {{nll.begin(), nll.end()}, {nll_forward_only.begin(), nll_forward_only.end()}, logits.values()};
}

/// The same through the steps of a vocabulary in three shards, the reductions done by hand.
Results run_sharded(Backend backend, std::int64_t columns, float factor) {
  GuardedRows logits(DType::float32, token_count, columns, 1, factor);
  const std::vector<std::int32_t> targets = targets_of(columns);
  const std::array<std::int64_t, 4> bounds{0, columns / 4, columns - 1, columns};
  DeviceMirror on(backend);
  const RowsView logits_there = on(logits.view());
  std::vector<CrossEntropyShard> shards;
  for (std::size_t i = 0; i + 1 < bounds.size(); ++i) {
    shards.push_back({.logits = floats(logits_there.column_range(bounds[i], bounds[i + 1] - bounds[i])),
                      .targets = on(targets),
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
    DeviceMirror part_on(backend);
    loss->shard_maximum(shard, part_on(part));
    part_on.fetch();
    reduce(maximum, part, [](float a, float b) { return std::max(a, b); });
  }
  for (const CrossEntropyShard& shard : shards) {
    std::vector<float> part_sum(token_count);
    std::vector<float> part_logit(token_count);
    DeviceMirror part_on(backend);
    loss->shard_exponentials(shard, part_on(maximum), part_on(part_sum), part_on(part_logit));
    part_on.fetch();
    reduce(sum, part_sum, std::plus<>());
    reduce(target_logit, part_logit, std::plus<>());
  }
  negative_log_likelihoods(targets, maximum, sum, target_logit, nll);
  for (const CrossEntropyShard& shard : shards) {
    loss->shard_gradient(shard, on(sum), on(weights));
  }
  on.fetch();
  EXPECT_TRUE(logits.guards_are_intact());
  return {{nll.begin(), nll.end()}, {nll.begin(), nll.end()}, logits.values()};
}

void expect_close(const Results& actual, const Results& expected, Tolerance tolerance) {
  EXPECT_TRUE(is_close("nll", actual.nll, expected.nll, tolerance, 1.0));
  EXPECT_TRUE(is_close("nll, forward only", actual.nll_forward_only, expected.nll, tolerance, 1.0));
  EXPECT_TRUE(is_close("dlogits", actual.dlogits, expected.dlogits, tolerance));
}

class CrossEntropyCase : public BackendTest {};

TEST_P(CrossEntropyCase, EqualsReference) {
  for (const std::int64_t columns : {2, 24, 131, 4096}) {
    for (const float factor : {1.0F, 30.0F, 1e30F}) {
      expect_close(run(backend(), columns, factor), run(Backend::reference, columns, factor), row_in_fp32);
    }
  }
}

TEST_P(CrossEntropyCase, ShardsEqualTheWhole) {
  for (const std::int64_t columns : {8, 131, 4096}) {
    for (const float factor : {1.0F, 30.0F}) {
      for (const Backend tested : {backend(), Backend::reference}) {
        expect_close(run_sharded(tested, columns, factor), run(Backend::reference, columns, factor), row_in_fp32);
      }
    }
  }
}

TEST_P(CrossEntropyCase, IgnoredTokensAreNotReadAndHaveNoGradient) {
  std::vector<float> logits(2 * 24, std::numeric_limits<float>::quiet_NaN());
  const std::vector<std::int32_t> targets{-1, -100};
  std::vector<float> nll(2, 7.0F);
  const TensorView<float, 2> view(logits.data(), {2, 24});
  const std::vector<float> ones(2, 1.0F);
  const auto loss = make_cross_entropy(backend());
  {
    DeviceMirror on(backend());
    loss->forward({.logits = on(view), .targets = on(targets), .nll = on(nll)});
    on.fetch();
  }
  EXPECT_EQ(nll, std::vector<float>(2, 0.0F));
  DeviceMirror on(backend());
  loss->backward({.logits = on(view), .targets = on(targets), .weights = on(ones), .nll = on(nll)});
  on.fetch();
  EXPECT_EQ(logits, std::vector<float>(48, 0.0F));
  EXPECT_EQ(nll, std::vector<float>(2, 0.0F));
}

TEST_P(CrossEntropyCase, ExcludedLogitsHaveProbabilityZero) {
  // A vocabulary padded with -inf, whose last shard may hold nothing else.
  constexpr float excluded = -std::numeric_limits<float>::infinity();
  std::vector<float> logits{1.0F, 1.0F, excluded, excluded};
  std::vector<float> nll(1);
  const std::vector<std::int32_t> target{1};
  const std::vector<float> weight{1.0F};
  DeviceMirror on(backend());
  make_cross_entropy(backend())->backward({.logits = on(TensorView<float, 2>(logits.data(), {1, 4})),
                                           .targets = on(target),
                                           .weights = on(weight),
                                           .nll = on(nll)});
  on.fetch();
  EXPECT_NEAR(nll[0], std::log(2.0), 1e-6);
  EXPECT_EQ(logits, (std::vector<float>{0.5F, -0.5F, 0.0F, 0.0F}));
}

TEST_P(CrossEntropyCase, ATargetBeyondTheVocabularyIsRefusedOrNoNumber) {
  std::vector<float> logits(48);
  std::vector<float> nll(2);
  const std::vector<std::int32_t> targets{3, 24};
  DeviceMirror on(backend());
  const auto run = [&] {
    make_cross_entropy(backend())->forward(
        {.logits = on(TensorView<float, 2>(logits.data(), {2, 24})), .targets = on(targets), .nll = on(nll)});
    on.fetch();
  };
  if (device_of(backend()) != DeviceKind::host) {
    run();
    EXPECT_NEAR(nll[0], std::log(24.0), 1e-5);
    EXPECT_TRUE(std::isnan(nll[1]));
  } else {
    expect_error(ErrorKind::bad_input, run, {"target 24 of token 1", "24 logits"});
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, CrossEntropyCase, testing::ValuesIn(backend_cases()), backend_case_name);

TEST(CrossEntropy, GradientEqualsFiniteDifferences) {
  const std::vector<double> logits = normal_doubles(24, 1);
  std::vector<double> gradient = logits;
  reference::cross_entropy<double>(gradient, 7, 0.3);
  expect_gradient("dlogits", logits, gradient,
                  [](std::vector<double> at) { return 0.3 * reference::cross_entropy<double>(at, 7, 0.0); });
}

}  // namespace
}  // namespace ringworld::test
