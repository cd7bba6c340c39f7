#include "experiments/train/step_progress.hpp"

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

}  // namespace

StepProgress::StepProgress(bool is_speaking)
    : is_speaking_(is_speaking), is_terminal_(isatty(STDERR_FILENO) == 1), last_line_(wall_seconds()) {}

StepProgress::~StepProgress() {
  if (is_speaking_ && is_terminal_) {
    fmt::print(stderr, "{}", clear_line);
  }
}

bool StepProgress::is_due() {
  const double now = wall_seconds();
  if (!is_speaking_ || now - last_line_ < (is_terminal_ ? seconds_between_redraws : seconds_between_lines)) {
    return false;
  }
  last_line_ = now;
  return true;
}

void StepProgress::show(const std::string& line, std::int64_t done, std::int64_t steps) const {
  if (!is_terminal_) {
    keep(line);
    return;
  }
  const auto filled = static_cast<std::size_t>(bar_width * done / steps);
  fmt::print(stderr, "{}{:#<{}}{:.<{}} {}", clear_line, "", filled, "", static_cast<std::size_t>(bar_width) - filled,
             line);
  std::fflush(stderr);
}

void StepProgress::keep(const std::string& line) const {
  fmt::print(stderr, "{}ringworld: {}\n", is_terminal_ ? clear_line : "", line);
}

std::string minutes_and_seconds(double seconds) {
  const auto whole = std::llround(seconds);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace ringworld
