#pragma once
/// @file  Language modelling: documents of the haystack, packed end to end.

#include "tasks/task.hpp"

namespace ringworld {

class TextTask final : public Task {
 public:
  [[nodiscard]] std::string_view kind() const override { return "text"; }
  void visit_keys(TaskKeys& keys) override;
  [[nodiscard]] std::vector<LossTerm> terms() const override;
  [[nodiscard]] bool has_documents() const override { return attends_within_documents_; }
  [[nodiscard]] std::unique_ptr<BatchSource> source(const TaskData& data, const TaskStage& stage) const override;

 private:
  LossMean loss_mean_ = LossMean::tokens;
  bool attends_within_documents_ = true;
};

}  // namespace ringworld
