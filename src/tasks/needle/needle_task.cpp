#include "tasks/needle/needle_task.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "tasks/needle/city_names.hpp"

namespace ringworld {

void NeedleTask::visit_keys(TaskKeys& keys) {
  keys.visit("template", template_);
  keys.visit("keys", keys_);
  keys.visit("dense_probability", options_.dense_probability);
  keys.visit("last_depth_probability", options_.last_depth_probability);
  keys.visit("max_needles", options_.max_needles);
  keys.visit("documents_per_sequence", options_.documents_per_sequence);
  keys.visit("attends_within_documents", attends_within_documents_);
  keys.visit("text_share", options_.text_share);
  keys.visit("text_weight", text_weight_);
  keys.visit("loss_mean", loss_mean_);
  validate(options_);
}

std::vector<LossTerm> NeedleTask::terms() const {
  return {{.name = "answer", .weight = 1, .mean = loss_mean_},
          {.name = "text", .weight = text_weight_, .mean = loss_mean_}};
}

TaskWords NeedleTask::words() const { return {.keys = needle_keys(keys_), .words = {}, .markers = {}}; }

std::unique_ptr<BatchSource> NeedleTask::source(const TaskData& data, const TaskStage& stage) const {
  const auto* const words = dynamic_cast<const WordTokenizer*>(&data.tokenizer);
  require_input(words != nullptr,
                fmt::format("data of kind needle need tokenizer = \"word\", not {}", data.tokenizer.kind()));
  NeedleBatchOptions options = options_;
  options.seed = data.seed;
  options.stage = static_cast<std::uint64_t>(stage.index);
  return std::make_unique<NeedleBatches>(BatchOptions{.context_length = stage.context_length,
                                                      .sequences_per_step = stage.sequences_per_step,
                                                      .terms = terms(),
                                                      .attends_within_documents = has_documents()},
                                         options, NeedleFormat(*words, template_), data.haystack);
}

}  // namespace ringworld
