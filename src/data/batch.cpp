#include "data/batch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace ringworld {
namespace {

/// Loss weight of one target, by kind.
struct KindWeights {
  double answer = 0;
  double text = 0;
  double none = 0;

  [[nodiscard]] double of(TargetKind kind) const {
    return kind == TargetKind::answer ? answer : kind == TargetKind::text ? text : none;
  }
};

double share_of(double weight, std::int64_t count) { return count == 0 ? 0.0 : weight / static_cast<double>(count); }

}  // namespace

BatchSource::BatchSource(const BatchOptions& options) : options_(options) {
  require_input(options.context_length >= 1,
                fmt::format("context length {} must be at least 1 token", options.context_length));
  require_input(options.rows_per_step >= 1, fmt::format("batch {} must be at least 1 row", options.rows_per_step));
  require_input(std::isfinite(options.text_weight) && options.text_weight >= 0,
                fmt::format("text weight {} must be 0 or more", options.text_weight));
}

Batch BatchSource::rows(std::int64_t step, std::int64_t first_row, std::int64_t row_count) const {
  require(step >= 0 && first_row >= 0 && row_count >= 0 && first_row + row_count <= options_.rows_per_step,
          "rows outside the step were asked for");
  const std::int64_t step_begin = step * options_.rows_per_step;
  const auto row_count_of_step = static_cast<double>(options_.rows_per_step);
  TargetCounts total;
  if (options_.mean == LossMean::tokens && !options_.loss_over_everything) {
    for (std::int64_t row = 0; row < options_.rows_per_step; ++row) {
      const TargetCounts counts = count_targets(step_begin + row);
      total.answer += counts.answer;
      total.text += counts.text;
    }
  }
  Batch batch;
  batch.rows = row_count;
  batch.context_length = options_.context_length;
  for (std::int64_t row = first_row; row < first_row + row_count; ++row) {
    const Row drawn = draw_row(step_begin + row);
    KindWeights weights;
    if (options_.loss_over_everything) {
      const double equal = 1.0 / (row_count_of_step * static_cast<double>(options_.context_length));
      weights = {.answer = equal, .text = equal, .none = equal};
    } else if (options_.mean == LossMean::tokens) {
      weights = {.answer = share_of(1.0, total.answer), .text = share_of(options_.text_weight, total.text)};
    } else {
      weights = {.answer = share_of(1.0 / row_count_of_step, std::ranges::count(drawn.kinds, TargetKind::answer)),
                 .text = share_of(options_.text_weight / row_count_of_step,
                                  std::ranges::count(drawn.kinds, TargetKind::text))};
    }
    batch.tokens.insert(batch.tokens.end(), drawn.tokens.begin(), drawn.tokens.end() - 1);
    batch.targets.insert(batch.targets.end(), drawn.tokens.begin() + 1, drawn.tokens.end());
    batch.kinds.insert(batch.kinds.end(), drawn.kinds.begin(), drawn.kinds.end());
    for (const TargetKind kind : drawn.kinds) {
      batch.loss_weight.push_back(static_cast<float>(weights.of(kind)));
    }
    if (options_.attends_within_documents) {
      batch.segment_ids.insert(batch.segment_ids.end(), drawn.segment_ids.begin(), drawn.segment_ids.end());
    }
  }
  return batch;
}

}  // namespace ringworld
