#include "comm/watchdog.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <utility>

#include "comm/environment.hpp"
#include "core/last_words.hpp"
#include "core/log.hpp"
#include "core/simulated_ranks.hpp"

namespace ringworld {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double longest_period = 5;      // s between two looks
constexpr double shortest_period = 0.05;  // s
constexpr double looks_a_limit = 8;       // at least
constexpr double patience_for_words = 3;  // s
constexpr double time_to_print = 1;       // s that rank 0 leaves the others before it ends the job
constexpr double time_for_a_turn = 0.5;   // s that a rank leaves the one before it to speak for rank 0
constexpr double time_for_root = 5;       // s that the others leave rank 0
constexpr double longest_end = 20;        // s from the verdict to the end of this process, whatever hangs
constexpr double time_to_be_heard = 30;   // s before ranks that were never heard of are worth a warning

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

void sleep_for(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

/// Ends this process after `seconds`, whatever its other threads do.
void end_process_after(double seconds) {
  std::thread([seconds] {
    sleep_for(seconds);
    ::_exit(no_progress_exit_code);
  }).detach();
}

double period_of(double limit) {
  return limit > 0 ? std::clamp(limit / looks_a_limit, shortest_period, longest_period) : longest_period;
}

/// The limit that was exceeded: that of the job, or that of the current work.
struct PassedLimit {
  double seconds;
  std::string_view origin;
};

PassedLimit passed_limit(double limit, double patience) {
  return patience > 0 && (limit <= 0 || patience < limit) ? PassedLimit{patience, "limit of the work at hand"}
                                                          : PassedLimit{limit, "--timeout"};
}

/// Signals go to the main thread, whose calls they may interrupt.
std::thread start_without_signals(auto&& body) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::forward<decltype(body)>(body));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace

Watchdog::Watchdog(Communicator world) : world_(std::move(world)), board_(world_.size()) {}

Watchdog::~Watchdog() {
  if (thread_.joinable()) {
    is_over_ = true;
    channel_->wake();
    thread_.join();
    channel_->send({.kind = HeartbeatKind::farewell, .rank = world_.rank(), .activity = {}});
  }
}

void Watchdog::watch(double limit) {
  limit_ = limit;
  if (are_ranks_simulated()) {  // a thread beside them is no rank, and they make progress or SimGrid ends them
    return;
  }
  if (!thread_.joinable()) {
    channel_ = std::make_unique<HeartbeatChannel>(world_);
    thread_ = start_without_signals([this] { run(); });
  } else {
    channel_->wake();  // a shorter limit wants shorter looks
  }
}

void Watchdog::run() {
  double awake = 0;
  double next_look = 0;
  Clock::time_point last = Clock::now();
  while (!is_over_) {
    const double limit = limit_;
    const double period = period_of(limit);
    next_look = std::min(next_look, awake + period);
    if (awake >= next_look) {
      check(awake, limit, period);
      next_look = awake + period;
    }
    const std::optional<Heartbeat> heartbeat = channel_->receive(next_look - awake);
    // A wait that took much longer than it was to take: the process was stopped meanwhile, and so was what it does.
    awake += std::min(seconds_since(last), period + 1);
    last = Clock::now();
    if (heartbeat.has_value()) {
      hear(*heartbeat, awake, limit);
    }
  }
}

void Watchdog::check(double now, double limit, double period) {
  const int rank = world_.rank();
  const Activity mine = current_activity();
  board_.hear(rank, mine, now);
  if (world_.size() > 1) {
    channel_->send({.kind = rank == 0 ? HeartbeatKind::pulse : HeartbeatKind::beat, .rank = rank, .activity = mine});
  }
  if (rank == 0) {
    if (const auto reason = board_.verdict(now, limit)) {
      end_job(*reason, limit, Speaker::root);
    }
    if (limit > 0 && now > std::max(time_to_be_heard, limit) && !has_warned_) {
      has_warned_ = true;
      if (board_.ranks_heard() < world_.size()) {
        log_warning(
            fmt::format("{} of {} ranks cannot reach rank 0 by UDP: of them the watchdog (--timeout) knows nothing",
                        world_.size() - board_.ranks_heard(), world_.size()));
      }
    }
    return;
  }
  // Rank 0 judges; here only whether it still does, or, where it was never heard of, whether this rank stands still.
  const double own_limit = passed_limit(limit, mine.patience).seconds;
  if (own_limit <= 0) {
    return;
  }
  if (board_.is_heard(0)) {
    if (board_.silence(0, now) >= own_limit + 2 * period) {
      end_job(board_.describe_silence(0, now), limit, Speaker::any);
    }
  } else if (!has_root_left_ && !mine.is_waiting && board_.standstill(rank, now) >= own_limit) {
    end_job(fmt::format("rank {} stands still", rank), limit, Speaker::nobody);
  }
}

void Watchdog::hear(const Heartbeat& heartbeat, double now, double limit) {
  switch (heartbeat.kind) {
    case HeartbeatKind::beat:
    case HeartbeatKind::pulse:
      board_.hear(heartbeat.rank, heartbeat.activity, now);
      break;
    case HeartbeatKind::farewell:
      board_.dismiss(heartbeat.rank);
      has_root_left_ = has_root_left_ || heartbeat.rank == 0;
      break;
    case HeartbeatKind::verdict:
      end_job(heartbeat.activity.phase, limit, Speaker::root);
  }
}

void Watchdog::end_job(const std::string& reason, double limit, Speaker speaker) {
  end_process_after(longest_end);
  const int rank = world_.rank();
  const bool is_root = rank == 0;
  const Activity mine = current_activity();
  if (is_root && world_.size() > 1) {
    for (int copy = 0; copy < 3; ++copy) {  // a datagram may be lost
      channel_->send({.kind = HeartbeatKind::verdict,
                      .rank = 0,
                      .activity = {.progress = 0, .is_waiting = false, .phase = reason}});
    }
  }
  const PassedLimit passed = passed_limit(limit, mine.patience);
  log_error(fmt::format("rank {}: no progress for {:g} s ({}), in: {}", rank, passed.seconds, passed.origin,
                        mine.phase.empty() ? "no phase" : mine.phase));
  const double turn = (rank - 1) * time_for_a_turn;  // ranks cannot talk to each other but through rank 0
  const bool speaks = is_root || (speaker == Speaker::any && turn < time_for_root - 1);
  if (speaks) {
    sleep_for(std::max(turn, 0.0));
    try {
      say_last_words(fmt::format("timeout: no progress for {:g} s: {}", passed.seconds, reason), patience_for_words);
    } catch (const std::exception& error) {
      log_error(fmt::format("rank {}: the last rows could not be written: {}", rank, error.what()));
    }
  }
  if (is_root || (speaker == Speaker::any && rank == 1)) {
    log_error(fmt::format("no progress for {:g} s ({}): {}; the job ends with exit code {}", passed.seconds,
                          passed.origin, reason, no_progress_exit_code));
  }
  if (world_.size() > 1) {
    sleep_for(is_root ? time_to_print : time_for_root);
    // On a thread of its own: MPI may hang in this, too.
    std::thread([] { Environment::abort(no_progress_exit_code); }).detach();
    sleep_for(time_for_root);
  }
  ::_exit(no_progress_exit_code);
}

}  // namespace ringworld
