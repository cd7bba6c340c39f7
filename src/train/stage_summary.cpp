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

template <class Row>
bool is_of(const TrainingStageRow& stage, const Row& row) {
  return row.valid && row.stage == stage.stage && row.step < stage.steps && row.seed == stage.seed &&
         row.stages == stage.stages && row.training_digest == stage.training_digest;
}

/// A column of a stage's rows, by step.
template <class Row>
class StageColumns {
 public:
  void add(const Row& row) { rows_[row.step] = &row; }

  [[nodiscard]] double sum(double Row::* column) const {
    double sum = 0;
    for (const auto& [step, row] : rows_) {
      sum += row->*column;
    }
    return sum;
  }
  /// From step `begin` on, of the values that are numbers.
  [[nodiscard]] double mean(double Row::* column, std::int64_t begin) const {
    double sum = 0;
    double count = 0;
    for (auto place = rows_.lower_bound(begin); place != rows_.end(); ++place) {
      const double value = place->second->*column;
      if (!std::isnan(value)) {
        sum += value;
        ++count;
      }
    }
    return quotient_or_nan(sum, count);
  }

 private:
  std::map<std::int64_t, const Row*> rows_;
};

}  // namespace

void summarise_steps(std::span<const TrainingStepRow> steps, std::span<const TrainingTermRow> terms,
                     TrainingStageRow& stage) {
  StageColumns<TrainingStepRow> own;
  for (const TrainingStepRow& step : steps) {
    if (is_of(stage, step)) {
      own.add(step);
    }
  }
  StageColumns<TrainingTermRow> first_term;
  for (const TrainingTermRow& term : terms) {
    if (is_of(stage, term) && term.term == stage.first_term) {
      first_term.add(term);
    }
  }
  const double seconds = own.sum(&TrainingStepRow::step_time);
  const auto share_of = [&](double TrainingStepRow::* column) { return quotient_or_nan(own.sum(column), seconds); };
  stage.attention_share = share_of(&TrainingStepRow::attention_time);
  stage.product_share = share_of(&TrainingStepRow::product_time);
  stage.elementwise_share = share_of(&TrainingStepRow::elementwise_time);
  stage.communication_share = share_of(&TrainingStepRow::communication_time);
  stage.idle_share = share_of(&TrainingStepRow::idle_time);

  const std::int64_t tail = stage.steps - std::max<std::int64_t>(1, stage.steps / 10);
  stage.final_loss = own.mean(&TrainingStepRow::loss, tail);
  stage.final_accuracy = first_term.mean(&TrainingTermRow::accuracy, tail);
}

}  // namespace ringworld
