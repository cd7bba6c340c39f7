/// @file  The oracle itself: its gradients against central differences, in double precision, for every layer type.

#include "support/dense_model.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "model/model_problem.hpp"

namespace ringworld::test {
namespace {

void expect_gradients_match_differences(const ModelProblem& problem) {
  NamedTensors parameters = draw_parameters(problem);
  const DenseModelBatch batch = draw_batch(problem);
  const DenseModelResult result = run_dense_model(problem.config, parameters, batch);
  ASSERT_EQ(result.gradients.size(), parameters.size());
  constexpr double step = 1e-5;
  for (auto& [name, values] : parameters) {
    double largest = 0;
    for (const double gradient : result.gradients.at(name)) {
      largest = std::max(largest, std::abs(gradient));
    }
    EXPECT_GT(largest, 1e-6) << name << " must matter";
    for (const std::size_t i : {values.size() / 7, values.size() / 2, values.size() - 1}) {
      const double kept = values[i];
      values[i] = kept + step;
      const double above = run_dense_model(problem.config, parameters, batch).loss;
      values[i] = kept - step;
      const double below = run_dense_model(problem.config, parameters, batch).loss;
      values[i] = kept;
      EXPECT_NEAR(result.gradients.at(name)[i], (above - below) / (2 * step), 1e-7 * largest + 1e-9)
          << name << " element " << i;
    }
  }
}

ModelProblem tiny() {
  ModelProblem problem{.config = small_config(), .batch = 1, .context_length = 9};
  problem.config.heads = 2;
  problem.config.kv_heads = 2;
  problem.config.vocab_size = 11;
  return problem;
}

TEST(DenseModel, GradientsMatchFiniteDifferences) { expect_gradients_match_differences(tiny()); }

TEST(DenseModel, GradientsMatchFiniteDifferencesWithGroupedQueriesBiasesATiedHeadAndDocuments) {
  ModelProblem problem = tiny();
  problem.config.kv_heads = 1;
  problem.config.has_attention_bias = true;
  problem.config.is_head_tied = true;
  problem.config.rope_pairing = RopePairing::half_split;
  problem.has_segments = true;
  expect_gradients_match_differences(problem);
}

}  // namespace
}  // namespace ringworld::test
