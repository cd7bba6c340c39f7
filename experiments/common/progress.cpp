#include "experiments/common/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>

#include "core/clock.hpp"

namespace ringworld {
namespace {

constexpr const char* clear_line = "\r\033[K";

std::string minutes_and_seconds(double seconds) {
  const auto whole = std::llround(seconds);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace

SweepProgress::SweepProgress(std::int64_t points, bool is_speaking)
    : points_(points), is_speaking_(is_speaking), is_terminal_(isatty(STDERR_FILENO) == 1), start_(wall_seconds()) {}

SweepProgress::~SweepProgress() {
  if (is_speaking_ && is_terminal_) {
    fmt::print(stderr, "{}", clear_line);
  } else if (is_speaking_ && skipped_ > 0) {
    fmt::print(stderr, "ringworld: {} points were in the record already\n", skipped_);
  }
}

void SweepProgress::advance(const std::string& line) {
  ++done_;
  if (!is_speaking_) {
    return;
  }
  const double elapsed = wall_seconds() - start_;
  fmt::print(stderr, "{}[{}/{} {}] {}\n", is_terminal_ ? clear_line : "", done_, points_, minutes_and_seconds(elapsed),
             line);
  draw_bar();
}

void SweepProgress::skip() {
  ++done_;
  ++skipped_;
}

void SweepProgress::draw_bar() const {
  if (!is_terminal_ || done_ == points_) {
    return;
  }
  constexpr std::int64_t width = 40;
  const auto filled = static_cast<std::size_t>(width * done_ / points_);
  fmt::print(stderr, "  {:#<{}}{:.<{}} {} of {} points", "", filled, "", static_cast<std::size_t>(width) - filled,
             done_, points_);
  std::fflush(stderr);
}

}  // namespace ringworld
