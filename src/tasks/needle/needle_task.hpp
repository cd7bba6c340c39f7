#pragma once
/// @file  Needle retrieval: facts put into a text, and questions for them after it.
/// Terms: `answer`, the value tokens that the questions ask for; `text`, a share of the other tokens.

#include "tasks/needle/batches.hpp"
#include "tasks/task.hpp"

namespace ringworld {

class NeedleTask final : public Task {
 public:
  [[nodiscard]] std::string_view kind() const override { return "needle"; }
  void visit_keys(TaskKeys& keys) override;
  [[nodiscard]] std::vector<LossTerm> terms() const override;
  [[nodiscard]] bool has_documents() const override {
    return attends_within_documents_ && options_.documents_per_sequence > 1;
  }
  /// Names of needle keys.
  [[nodiscard]] TaskWords words() const override;
  /// @throws ringworld::Error (bad_input) also for a tokenizer that is not one of words.
  [[nodiscard]] std::unique_ptr<BatchSource> source(const TaskData& data, const TaskStage& stage) const override;

 private:
  NeedleTemplate template_ = NeedleTemplate::long1;
  std::int64_t keys_ = 128;
  double text_weight_ = 1.0;
  LossMean loss_mean_ = LossMean::tokens;
  bool attends_within_documents_ = true;
  NeedleBatchOptions options_;  // all options except seed and stage
};

}  // namespace ringworld
