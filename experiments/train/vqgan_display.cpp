#include "experiments/train/vqgan_display.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <string>

#include "core/clock.hpp"

namespace ringworld {
namespace {

constexpr const char* clear_line = "\r\033[K";
constexpr double seconds_between_lines = 10;     // of a log
constexpr double seconds_between_redraws = 0.2;  // of a bar
constexpr std::int64_t bar_width = 24;

}  // namespace

VqganDisplay::VqganDisplay(std::int64_t steps, bool is_speaking)
    : steps_(steps), is_speaking_(is_speaking), is_terminal_(isatty(STDERR_FILENO) == 1), last_line_(now_seconds()) {}

VqganDisplay::~VqganDisplay() {
  if (is_speaking_ && is_terminal_) {
    fmt::print(stderr, "{}", clear_line);
  }
}

void VqganDisplay::step(const VqganStepRow& row) {
  const double now = now_seconds();
  if (!is_speaking_ || now - last_line_ < (is_terminal_ ? seconds_between_redraws : seconds_between_lines)) {
    return;
  }
  last_line_ = now;
  const auto left = std::llround(static_cast<double>(steps_ - row.step - 1) * row.step_time);
  const std::string line = fmt::format(
      "vqgan step {}/{} loss {:.4f} absolute error {:.4f}{} {:.0f} frame/s, {}:{:02} left", row.step + 1, steps_,
      row.loss, row.absolute_error, row.is_quantized ? fmt::format(" codes {}", row.codes_used) : std::string(),
      row.frames_per_second, left / 60, left % 60);
  if (is_terminal_) {
    const auto filled = static_cast<std::size_t>(bar_width * (row.step + 1) / steps_);
    fmt::print(stderr, "{}{:#<{}}{:.<{}} {}", clear_line, "", filled, "", static_cast<std::size_t>(bar_width) - filled,
               line);
    std::fflush(stderr);
  } else {
    fmt::print(stderr, "ringworld: {}\n", line);
  }
}

void VqganDisplay::evaluation(const VqganEvaluationRow& row) {
  if (!is_speaking_) {
    return;
  }
  fmt::print(
      stderr,
      "{}ringworld: vqgan after {} steps, {:.0f} s: {} held-out frames {:.2f} dB, {} of {} codes used, perplexity "
      "{:.1f}, {:.0f} frame/s\n",
      is_terminal_ ? clear_line : "", row.step, row.training_seconds, row.frames, row.psnr, row.codes_used,
      row.codebook_size, row.perplexity, row.frames_per_second);
}

}  // namespace ringworld
