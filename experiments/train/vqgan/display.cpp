#include "experiments/train/vqgan/display.hpp"

#include <fmt/format.h>

#include <string>

namespace ringworld {

VqganDisplay::VqganDisplay(std::int64_t steps, bool is_speaking) : steps_(steps), progress_(is_speaking) {}

void VqganDisplay::step(const VqganStepRow& row) {
  if (!progress_.is_due()) {
    return;
  }
  const auto left = static_cast<double>(steps_ - row.step - 1) * row.step_time;
  const std::string line = fmt::format("vqgan step {}/{} loss {:.4f} absolute error {:.4f}{} {:.0f} frame/s, {} left",
                                       row.step + 1, steps_, row.loss, row.absolute_error,
                                       row.is_quantized ? fmt::format(" codes {}", row.codes_used) : std::string(),
                                       row.frames_per_second, minutes_and_seconds(left));
  progress_.show(line, row.step + 1, steps_);
}

void VqganDisplay::evaluation(const VqganEvaluationRow& row) {
  if (!progress_.is_speaking()) {
    return;
  }
  progress_.keep(
      fmt::format("vqgan after {} steps, {:.0f} s: {} held-out frames {:.2f} dB, {} of {} codes used, perplexity "
                  "{:.1f}, {:.0f} frame/s",
                  row.step, row.training_seconds, row.frames, row.psnr, row.codes_used, row.codebook_size,
                  row.perplexity, row.frames_per_second));
}

}  // namespace ringworld
