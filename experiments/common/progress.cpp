#include "experiments/common/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <span>

#include "core/clock.hpp"

namespace ringworld {
namespace {

constexpr const char* clear_line = "\r\033[K";

std::string clock_text(double seconds) {
  constexpr std::int64_t hour = 3600;
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  return whole < hour ? fmt::format("{}:{:02}", whole / 60, whole % 60)
                      : fmt::format("{}:{:02}:{:02}", whole / hour, whole % hour / 60, whole % 60);
}

}  // namespace

SweepProgress::SweepProgress(std::vector<double> work, bool is_speaking)
    : work_(std::move(work)),
      is_speaking_(is_speaking),
      is_terminal_(isatty(STDERR_FILENO) == 1),
      start_(wall_seconds()),
      last_(start_) {}

SweepProgress::SweepProgress(std::int64_t points, bool is_speaking)
    : SweepProgress(std::vector<double>(static_cast<std::size_t>(points), 1.0), is_speaking) {}

SweepProgress::~SweepProgress() {
  if (is_speaking_ && is_terminal_) {
    fmt::print(stderr, "{}", clear_line);
  }
  say_skipped();
}

void SweepProgress::skip() {
  ++next_;
  ++unsaid_skips_;
}

void SweepProgress::begin() {
  say_skipped();
  last_ = wall_seconds();
  draw_bar();
}

void SweepProgress::advance(const std::string& line) {
  const double now = wall_seconds();
  done_.push_back({.work = work_[next_], .seconds = now - last_});
  last_ = now;
  ++next_;
  if (!is_speaking_) {
    return;
  }
  fmt::print(stderr, "{}[{}/{} {}{}] {}\n", is_terminal_ ? clear_line : "", next_, work_.size(),
             clock_text(now - start_), time_left(), line);
  draw_bar();
}

void SweepProgress::say_skipped() {
  if (is_speaking_ && unsaid_skips_ > 0) {
    fmt::print(stderr, "{}ringworld: {} {} in the record already\n", is_terminal_ ? clear_line : "", unsaid_skips_,
               unsaid_skips_ == 1 ? "point was" : "points were");
  }
  unsaid_skips_ = 0;
}

std::string SweepProgress::time_left() const {
  const auto left = seconds_left(done_, std::span(work_).subspan(next_));
  return next_ == work_.size() || !left.has_value() ? std::string() : fmt::format(", about {} left", clock_text(*left));
}

void SweepProgress::draw_bar() const {
  if (!is_speaking_ || !is_terminal_ || next_ == work_.size()) {
    return;
  }
  constexpr std::size_t width = 40;
  const std::size_t filled = width * next_ / work_.size();
  fmt::print(stderr, "{}  {:#<{}}{:.<{}} {} of {} points", clear_line, "", filled, "", width - filled, next_,
             work_.size());
  std::fflush(stderr);
}

}  // namespace ringworld
