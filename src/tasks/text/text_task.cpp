#include "tasks/text/text_task.hpp"

#include "tasks/text/packed_batches.hpp"

namespace ringworld {

void TextTask::visit_keys(TaskKeys& keys) {
  keys.visit("loss_mean", loss_mean_);
  keys.visit("attends_within_documents", attends_within_documents_);
}

std::vector<LossTerm> TextTask::terms() const { return {{.name = "text", .weight = 1, .mean = loss_mean_}}; }

std::unique_ptr<BatchSource> TextTask::source(const TaskData& data, const TaskStage& stage) const {
  return std::make_unique<PackedBatches>(
      BatchOptions{.context_length = stage.context_length,
                   .sequences_per_step = stage.sequences_per_step,
                   .terms = terms(),
                   .attends_within_documents = has_documents()},
      PackedBatchOptions{.seed = data.seed, .stage = static_cast<std::uint64_t>(stage.index)},
      documents_of(data.haystack, HaystackPart::training, data.tokenizer));
}

}  // namespace ringworld
