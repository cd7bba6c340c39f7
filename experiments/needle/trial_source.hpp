#pragma once
/// @file  Where the trials of an evaluation come from: held-out hay, and needles in words that the model knows.

#include <optional>
#include <string>
#include <string_view>

#include "data/haystack.hpp"
#include "experiments/common/named_corpus.hpp"
#include "experiments/common/trained_model.hpp"
#include "experiments/needle/config.hpp"
#include "tasks/needle/format.hpp"
#include "tasks/needle/prompt_trials.hpp"
#include "tasks/recall/ruler_trials.hpp"

namespace ringworld {

class NeedleTrials {
 public:
  /// `model` must outlive this.
  /// @throws Error(bad_input) when the haystack cannot be read, or the needle template is unknown.
  NeedleTrials(const NeedleOptions& values, const TrainedModel& model)
      : NeedleTrials(values, model, read_named_corpus(values.haystack, model.description().seed)) {}

  [[nodiscard]] const Haystack& haystack() const { return haystack_; }
  /// What a person should know of the haystack; empty when there is nothing to say.
  [[nodiscard]] const std::string& warning() const { return warning_; }
  /// Of the whole text, held-out part or not: which part is held out depends on all of it.
  [[nodiscard]] const std::string& haystack_digest() const { return haystack_digest_; }
  /// short1 or long1 over the word vocabulary; prompt over any other.
  [[nodiscard]] std::string_view template_name() const { return template_name_; }
  /// The chat template's family, with a digest where it was spelt out; empty over the word vocabulary.
  [[nodiscard]] std::string_view chat_name() const { return chat_name_; }
  [[nodiscard]] NeedleTrial draw(const NeedleCell& cell, std::int64_t trial) const;
  /// A trial whose answer is generated freely.
  /// @throws Error(bad_input) over the word vocabulary, whose answers are of a fixed length.
  [[nodiscard]] OpenTrial draw_open(const NeedlePoint& point, std::int64_t answer_tokens, std::int64_t trial) const;

 private:
  NeedleTrials(const NeedleOptions& values, const TrainedModel& model, const Corpus& corpus);

  std::string haystack_digest_;
  std::string template_name_ = "prompt";
  Haystack haystack_;
  std::string warning_;
  std::optional<NeedleFormat> format_;  // over the word vocabulary
  std::string chat_name_;
  std::optional<PromptTrials> prompt_;  // over any other
  std::optional<RulerTrials> ruler_;
};

}  // namespace ringworld
