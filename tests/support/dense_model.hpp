#pragma once
/// @file  The language model as the textbook has it, in double precision, on one rank, with whole matrices: what Model is
/// compared with. Composed of the reference rows of the kernels and of dense attention.
/// Shapes: row major, B sequences of S tokens in global order; parameters by Hugging Face name, (out, in).

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/config.hpp"

namespace ringworld::test {

using NamedTensors = std::map<std::string, std::vector<double>>;

struct DenseModelBatch {
  std::int64_t batch = 1;
  std::int64_t context_length = 0;
  std::vector<std::int32_t> tokens{};
  std::vector<std::int32_t> targets{};  ///< negative: ignored
  std::vector<double> weights{};
  std::vector<std::int32_t> document_ids{};  ///< empty: one document
};

struct DenseModelResult {
  double loss = 0;
  std::vector<double> nll;     ///< (B, S), among the tokens of the target's part of the vocabulary
  std::vector<double> logits;  ///< (B, S, V)
  NamedTensors gradients;      ///< of the loss
};

[[nodiscard]] DenseModelResult run_dense_model(const ModelConfig& config, const NamedTensors& parameters,
                                               const DenseModelBatch& batch);

}  // namespace ringworld::test
