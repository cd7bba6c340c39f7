#include "experiments/train/training_display.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>

#include "core/clock.hpp"

namespace ringworld {
namespace {

constexpr const char* clear_line = "\r\033[K";
constexpr double seconds_between_lines = 10;     // of a log
constexpr double seconds_between_redraws = 0.2;  // of a bar
constexpr std::int64_t bar_width = 24;

std::string minutes_and_seconds(double seconds) {
  const auto whole = std::llround(seconds);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

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
    : stages_(stages), is_speaking_(is_speaking), is_terminal_(isatty(STDERR_FILENO) == 1), last_line_(now_seconds()) {}

TrainingDisplay::~TrainingDisplay() {
  if (is_speaking_ && is_terminal_) {
    fmt::print(stderr, "{}", clear_line);
  }
}

void TrainingDisplay::step(const TrainingStepRow& row, std::span<const TrainingTermRow> terms) {
  const double now = now_seconds();
  if (!is_speaking_ || now - last_line_ < (is_terminal_ ? seconds_between_redraws : seconds_between_lines)) {
    return;
  }
  last_line_ = now;
  const std::int64_t steps = stages_[static_cast<std::size_t>(row.stage)].steps;
  const std::string line =
      fmt::format("stage {}/{} S={} step {}/{} loss {:.4f}{} {:.0f} token/s, at most {} left in this stage",
                  row.stage + 1, stages_.size(), row.context_length, row.step + 1, steps, row.loss,
                  accuracy_text(terms.front().term.view(), terms.front().accuracy), row.tokens_per_second,
                  minutes_and_seconds(static_cast<double>(steps - row.step - 1) * row.step_time));
  if (is_terminal_) {
    const auto filled = static_cast<std::size_t>(bar_width * (row.step + 1) / steps);
    fmt::print(stderr, "{}{:#<{}}{:.<{}} {}", clear_line, "", filled, "", static_cast<std::size_t>(bar_width) - filled,
               line);
    std::fflush(stderr);
  } else {
    fmt::print(stderr, "ringworld: {}\n", line);
  }
}

void TrainingDisplay::stage(const TrainingStageRow& row) {
  if (!is_speaking_) {
    return;
  }
  fmt::print(
      stderr,
      "{}ringworld: stage {}/{} done: S={} theta={:g} mesh {}: {} steps, {} tokens in {} ({:.0f} token/s, {:.1f} % "
      "of peak: {}), loss {:.4f}{}\n",
      is_terminal_ ? clear_line : "", row.stage + 1, stages_.size(), row.context_length, row.rope_theta,
      row.mesh.view(), row.steps, row.tokens, minutes_and_seconds(row.seconds), row.tokens_per_second,
      100 * row.mfu_measured_peak, shares_text(row), row.final_loss,
      accuracy_text(row.first_term.view(), row.final_accuracy));
}

}  // namespace ringworld
