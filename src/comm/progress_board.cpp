#include "comm/progress_board.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace ringworld {
namespace {

constexpr int most_named = 4;  // ranks of one verdict

/// Seconds without progress that are too long for a rank.
double limit_of(const Activity& activity, double job_limit) {
  const double limit = job_limit > 0 ? job_limit : std::numeric_limits<double>::infinity();
  return activity.patience > 0 ? std::min(limit, activity.patience) : limit;
}

std::string where(const Activity& activity) {
  return activity.phase.empty() ? std::string("no phase") : fmt::format("\"{}\"", activity.phase);
}

}  // namespace

void ProgressBoard::hear(int rank, const Activity& activity, double now) {
  Seen& seen = seen_[static_cast<std::size_t>(rank)];
  if (!seen.is_heard || activity.progress != seen.activity.progress) {
    seen.advanced = now;
  }
  seen.is_heard = true;
  seen.heard = now;
  seen.activity = activity;
}

void ProgressBoard::dismiss(int rank) { seen_[static_cast<std::size_t>(rank)].is_heard = false; }

std::string ProgressBoard::describe_silence(int rank, double now) const {
  return fmt::format("rank {} has not been heard of for {:.1f} s (stopped, or its node is gone), last in {}", rank,
                     silence(rank, now), where(seen(rank).activity));
}

std::optional<std::string> ProgressBoard::verdict(double now, double job_limit) const {
  std::vector<std::string> named;
  std::size_t guilty = 0;
  bool is_anyone_heard = false;
  bool do_all_wait = true;
  const auto name = [&](std::string text) {
    if (++guilty <= most_named) {
      named.push_back(std::move(text));
    }
  };
  for (std::size_t rank = 0; rank < seen_.size(); ++rank) {
    const Seen& seen = seen_[rank];
    if (!seen.is_heard) {
      continue;
    }
    is_anyone_heard = true;
    const double limit = limit_of(seen.activity, job_limit);
    const bool stands_still = now - seen.advanced >= limit;
    if (now - seen.heard >= limit) {
      name(describe_silence(static_cast<int>(rank), now));
    } else if (stands_still && !seen.activity.is_waiting) {
      name(fmt::format("rank {} stands still in {}", rank, where(seen.activity)));
    }
    do_all_wait = do_all_wait && stands_still && seen.activity.is_waiting;
  }
  if (guilty > 0) {
    std::string text;
    for (const std::string& one : named) {
      text += (text.empty() ? "" : "; ") + one;
    }
    return guilty > named.size() ? fmt::format("{}; and {} more ranks", text, guilty - named.size()) : text;
  }
  if (is_anyone_heard && do_all_wait) {
    return "all ranks wait for each other";
  }
  return std::nullopt;
}

int ProgressBoard::ranks_heard() const { return static_cast<int>(std::ranges::count_if(seen_, &Seen::is_heard)); }

}  // namespace ringworld
