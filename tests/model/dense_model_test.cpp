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
  problem.config.vocabulary = 11;
  return problem;
}

TEST(DenseModel, GradientsMatchFiniteDifferences) { expect_gradients_match_differences(tiny()); }

TEST(DenseModel, GradientsMatchFiniteDifferencesWithGroupedQueriesBiasesATiedHeadAndDocuments) {
  ModelProblem problem = tiny();
  problem.config.kv_heads = 1;
  problem.config.has_attention_bias = true;
  problem.config.is_head_tied = true;
  problem.config.rope_pairing = RopePairing::half_split;
  problem.has_documents = true;
  expect_gradients_match_differences(problem);
}

TEST(DenseModel, GradientsMatchFiniteDifferencesWithNormalisedHeads) {
  ModelProblem problem = tiny();
  problem.config.kv_heads = 1;
  problem.config.has_query_key_norm = true;
  expect_gradients_match_differences(problem);
}

TEST(DenseModel, GradientsMatchFiniteDifferencesWithAVocabularyInParts) {
  for (const bool is_head_tied : {false, true}) {
    ModelProblem problem = tiny();
    problem.config.vocabulary = Vocabulary::parse("text:6,vision:5");
    problem.config.is_head_tied = is_head_tied;
    expect_gradients_match_differences(problem);
  }
}

TEST(DenseModel, PredictsATargetAmongTheTokensOfItsPart) {
  ModelProblem problem = tiny();
  problem.config.vocabulary = Vocabulary::parse("text:8,vision:3");
  const DenseModelBatch batch = draw_batch(problem);
  const DenseModelResult result = run_dense_model(problem.config, draw_parameters(problem), batch);
  for (std::size_t t = 0; t < batch.targets.size(); ++t) {
    if (batch.targets[t] >= 0) {
      const VocabularyPart& part = problem.config.vocabulary.parts()[batch.targets[t] < 8 ? 0 : 1];
      double sum = 0;
      for (std::int64_t token = part.begin; token < part.end(); ++token) {
        sum += std::exp(result.logits[t * 11 + static_cast<std::size_t>(token)]);
      }
      const double target = result.logits[t * 11 + static_cast<std::size_t>(batch.targets[t])];
      EXPECT_NEAR(result.nll[t], std::log(sum) - target, 1e-12) << t;
    }
  }
}

}  // namespace
}  // namespace ringworld::test
