#include "experiments/train/training_display.hpp"

#include <fmt/format.h>

#include <cmath>

namespace ringworld {
namespace {

/// @param term  whose accuracy it is
std::string accuracy_text(std::string_view term, double accuracy) {
  return std::isnan(accuracy) ? std::string() : fmt::format(" {} accuracy {:.3f}", term, accuracy);
}

/// The time of the steps by kind of work.
std::string shares_text(const TrainingStageRow& row) {
  return fmt::format(
      "attention {:.0f} %, products {:.0f} %, element-wise {:.0f} %, communication {:.0f} %, idle {:.0f} %",
      100 * row.attention_share, 100 * row.product_share, 100 * row.elementwise_share, 100 * row.communication_share,
      100 * row.idle_share);
}

}  // namespace

TrainingDisplay::TrainingDisplay(const std::vector<Stage>& stages, bool is_speaking)
    : stages_(stages), progress_(is_speaking) {}

void TrainingDisplay::step(const TrainingStepRow& row, std::span<const TrainingTermRow> terms) {
  if (!progress_.is_due()) {
    return;
  }
  const std::int64_t steps = stages_[static_cast<std::size_t>(row.stage)].steps;
  const std::string line =
      fmt::format("stage {}/{} S={} step {}/{} loss {:.4f}{} {:.0f} token/s, at most {} left in this stage",
                  row.stage + 1, stages_.size(), row.context_length, row.step + 1, steps, row.loss,
                  accuracy_text(terms.front().term.view(), terms.front().accuracy), row.tokens_per_second,
                  minutes_and_seconds(static_cast<double>(steps - row.step - 1) * row.step_time));
  progress_.show(line, row.step + 1, steps);
}

void TrainingDisplay::stage(const TrainingStageRow& row) {
  if (!progress_.is_speaking()) {
    return;
  }
  progress_.keep(
      fmt::format("stage {}/{} done: S={} theta={:g} mesh {}: {} steps, {} tokens in {} ({:.0f} token/s, {:.1f} % "
                  "of peak: {}), loss {:.4f}{}",
                  row.stage + 1, stages_.size(), row.context_length, row.rope_theta, row.mesh.view(), row.steps,
                  row.tokens, minutes_and_seconds(row.seconds), row.tokens_per_second, 100 * row.mfu_measured_peak,
                  shares_text(row), row.final_loss, accuracy_text(row.first_term.view(), row.final_accuracy)));
}

}  // namespace ringworld
