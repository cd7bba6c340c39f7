#pragma once
/// @file  A small model and batch, run on any mesh, with its results put together as if on one rank.

#include <string>
#include <vector>

#include "model/model.hpp"
#include "support/dense_model.hpp"

namespace ringworld::test {

struct ModelProblem {
  ModelConfig config;
  std::int64_t batch = 4;  ///< of all ranks
  std::int64_t context_length = 24;
  bool has_documents = false;
  std::uint64_t seed = 5;
  /// Are targets in the last tokens of the last sequence only: most ranks have none of them.
  VocabularyPart rare_targets{};
  /// Are nobody's targets.
  VocabularyPart absent_targets{};
};

/// 4 heads of size 16 on 4 key/value heads, hidden size 40, 2 layers, a vocabulary that no mesh divides.
[[nodiscard]] ModelConfig small_config();

/// Values that make every gradient matter: norms and biases are random as well.
[[nodiscard]] NamedTensors draw_parameters(const ModelProblem& problem);
/// A third of the targets is ignored; weights differ; documents of uneven lengths where there are documents.
[[nodiscard]] DenseModelBatch draw_batch(const ModelProblem& problem);

struct ModelResult {
  double loss = 0;
  std::vector<double> nll;              ///< (B, S)
  std::vector<std::int32_t> likeliest;  ///< (B, S)
  std::vector<double> logits;           ///< (B, S, V)
  NamedTensors gradients;
};

/// Everything of a run on one mesh, on every rank. Collective over all ranks.
/// @param passes  how often the batch is run, gradients adding up; @pre fsdp * dp divides the batch
[[nodiscard]] ModelResult run_model(const ModelProblem& problem, const MeshShape& shape, ModelOptions options,
                                    int passes = 1);

/// Root of the sum of squared differences over that of the expected values.
[[nodiscard]] double normalised_rms(const std::vector<double>& actual, const std::vector<double>& expected);

/// Expects loss, nll, logits and every gradient within `tolerance` (normalised RMS).
void expect_same(const ModelResult& actual, const DenseModelResult& expected, double tolerance,
                 const std::string& what);

}  // namespace ringworld::test
