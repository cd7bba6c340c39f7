#include "experiments/needle/trial_source.hpp"

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
    prompt_.emplace(model.tokenizer(), haystack_);
  }
}

NeedleTrial NeedleTrials::draw(const NeedleCell& cell, std::int64_t trial) const {
  return format_ ? draw_needle_trial(*format_, haystack_, cell, trial) : prompt_->draw(cell, trial);
}

}  // namespace ringworld
