#pragma once
/// @file  A trained model with what it takes to ask it something: tokenizer, held-out haystack, words of its needles.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "comm/mesh.hpp"
#include "data/haystack.hpp"
#include "data/needle_format.hpp"
#include "data/prompt_needles.hpp"
#include "eval/needle_score.hpp"
#include "experiments/needle/config.hpp"
#include "model/parameters.hpp"

namespace ringworld {

class EvaluatedModel {
 public:
  /// Collective over `mesh`, which must outlive this.
  /// @throws Error(bad_input) when the checkpoint is not one, lacks its tokenizer, or the haystack cannot be read.
  EvaluatedModel(const NeedleOptions& values, const Mesh& mesh);

  [[nodiscard]] ShardedParameters& parameters() const { return *parameters_; }
  [[nodiscard]] const Tokenizer& tokenizer() const { return *tokenizer_; }
  [[nodiscard]] const Haystack& haystack() const { return *haystack_; }
  /// Draws trials in the words that the model knows.
  [[nodiscard]] NeedleTrial draw(const NeedleCell& cell, std::int64_t trial) const;

  [[nodiscard]] const std::string& schedule() const { return schedule_; }
  [[nodiscard]] std::int64_t stage() const { return stage_; }
  [[nodiscard]] std::int64_t training_seed() const { return training_seed_; }
  [[nodiscard]] const TrainedFor& trained() const { return trained_; }
  /// Of the parameters and the tokenizer: the same for the same model, whatever the mesh.
  [[nodiscard]] const std::string& digest() const { return digest_; }

 private:
  std::unique_ptr<ShardedParameters> parameters_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::optional<Haystack> haystack_;
  std::optional<NeedleFormat> format_;   // over the word vocabulary
  std::optional<PromptNeedles> prompt_;  // over any other
  std::string schedule_;
  std::int64_t stage_ = 0;
  std::int64_t training_seed_ = 0;
  TrainedFor trained_;
  std::string digest_;
};

}  // namespace ringworld
