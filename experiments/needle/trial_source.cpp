#include "experiments/needle/trial_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/error.hpp"
#include "experiments/common/content_digest.hpp"
#include "tasks/tasks.hpp"

namespace ringworld {

NeedleTrials::NeedleTrials(const NeedleOptions& values, const TrainedModel& model, const Corpus& corpus)
    : haystack_digest_(content_digest(corpus.documents)),
      haystack_(corpus, model.tokenizer()),
      warning_(warning_of(corpus, model.tokenizer())) {
  if (const auto* words = dynamic_cast<const WordTokenizer*>(&model.tokenizer())) {
    const std::string trained_with = task_key(model.description().task, "template");
    template_name_ = values.needle_template == "checkpoint" ? trained_with : values.needle_template;
    format_.emplace(*words, parse_enumerator<NeedleTemplate>(template_name_));
  } else {
    const ChatTemplate chat = values.chat == "auto" ? read_chat_of_weights(values.checkpoint) : read_chat(values.chat);
    chat_name_ = chat.name == "given" ? fmt::format("given {}", content_digest(std::array{chat.prefix, chat.suffix}))
                                      : chat.name;
    prompt_.emplace(model.tokenizer(), haystack_, chat);
    if (std::ranges::any_of(values.task, [](const std::string& task) { return task != name_of(RecallTask::lwm); })) {
      ruler_.emplace(model.tokenizer(), haystack_, chat);
    }
  }
}

NeedleTrial NeedleTrials::draw(const NeedleCell& cell, std::int64_t trial) const {
  return format_ ? draw_needle_trial(*format_, haystack_, cell, trial) : prompt_->draw(cell, trial);
}

OpenTrial NeedleTrials::draw_open(const NeedlePoint& point, std::int64_t answer_tokens, std::int64_t trial) const {
  require_input(prompt_.has_value(),
                "--decoding open: a word tokenizer's answers are of a fixed length; choose one_pass or greedy");
  if (point.task == RecallTask::lwm) {
    return prompt_->draw_open(point.cell, trial, answer_tokens);
  }
  return ruler_->draw({.task = point.task,
                       .context_length = point.cell.context_length,
                       .answer_tokens = answer_tokens,
                       .seed = point.cell.seed},
                      trial);
}

}  // namespace ringworld
