#include "train/stage_summary.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace ringworld {
namespace {

double quotient_or_nan(double sum, double count) {
  return count > 0 ? sum / count : std::numeric_limits<double>::quiet_NaN();
}

bool is_of(const TrainingStageRow& stage, const TrainingStepRow& step) {
  return step.valid && step.stage == stage.stage && step.step < stage.steps && step.seed == stage.seed &&
         step.schedule == stage.schedule && step.training_digest == stage.training_digest;
}

}  // namespace

void summarise_steps(std::span<const TrainingStepRow> steps, TrainingStageRow& stage) {
  std::map<std::int64_t, const TrainingStepRow*> own;
  for (const TrainingStepRow& step : steps) {
    if (is_of(stage, step)) {
      own[step.step] = &step;
    }
  }
  const auto sum_of = [&](double TrainingStepRow::* column, std::int64_t from) {
    double sum = 0;
    for (auto place = own.lower_bound(from); place != own.end(); ++place) {
      sum += place->second->*column;
    }
    return sum;
  };
  const double seconds = sum_of(&TrainingStepRow::step_time, 0);
  const auto share_of = [&](double TrainingStepRow::* column) { return quotient_or_nan(sum_of(column, 0), seconds); };
  stage.attention_share = share_of(&TrainingStepRow::attention_time);
  stage.product_share = share_of(&TrainingStepRow::product_time);
  stage.elementwise_share = share_of(&TrainingStepRow::elementwise_time);
  stage.communication_share = share_of(&TrainingStepRow::communication_time);
  stage.idle_share = share_of(&TrainingStepRow::idle_time);

  const std::int64_t tail = stage.steps - std::max<std::int64_t>(1, stage.steps / 10);
  const auto mean_of = [&](double TrainingStepRow::* column) {
    double sum = 0;
    double count = 0;
    for (auto place = own.lower_bound(tail); place != own.end(); ++place) {
      const double value = place->second->*column;
      if (!std::isnan(value)) {  // a step without answers
        sum += value;
        ++count;
      }
    }
    return quotient_or_nan(sum, count);
  };
  stage.final_loss = mean_of(&TrainingStepRow::loss);
  stage.final_answer_loss = mean_of(&TrainingStepRow::answer_loss);
  stage.final_answer_accuracy = mean_of(&TrainingStepRow::answer_accuracy);
}

}  // namespace ringworld
