#include "core/stop_request.hpp"

#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <thread>

namespace ringworld {
namespace {

// A signal handler reaches nothing but objects of static storage.
std::atomic<int> noted_signal{0};
std::atomic<std::int64_t> noted_at{0};  // nanoseconds; of no meaning before a signal was noted
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<std::int64_t>::is_always_lock_free,
              "a handler may use them");

/// Of a clock that a handler may read.
std::int64_t nanoseconds_now() {
  constexpr std::int64_t nanoseconds_in_a_second = 1'000'000'000;
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * nanoseconds_in_a_second + now.tv_nsec;
}

/// Slurm sends SIGTERM to the ranks of a job that it ends, and srun, which gets it too, passes it on to them.
constexpr std::int64_t span_of_one_request = 3'000'000'000;  // nanoseconds: on a busy node srun is late

extern "C" void note_stop_signal(int signal) {
  int before = 0;
  const std::int64_t now = nanoseconds_now();
  if (noted_signal.compare_exchange_strong(before, signal)) {
    noted_at = now;
    return;
  }
  const bool is_same_request = signal == SIGTERM && before == SIGTERM && now - noted_at < span_of_one_request;
  if (before == SIGHUP) {  // the end of a session sends SIGTERM along with it
    noted_signal = signal;
  } else if ((signal == SIGTERM || signal == SIGINT) && !is_same_request) {
    // The sender does not want to wait. The others are warnings only, which launchers and the kernel repeat.
    constexpr int signal_exit_base = 128;
    ::_exit(signal_exit_base + signal);
  }
}

struct StopSignal {
  int number;
  const char* name;
};
constexpr std::array<StopSignal, 6> stop_signals{{{SIGTERM, "SIGTERM"},
                                                  {SIGINT, "SIGINT"},
                                                  {SIGUSR1, "SIGUSR1"},
                                                  {SIGUSR2, "SIGUSR2"},
                                                  {SIGXCPU, "SIGXCPU"},
                                                  {SIGHUP, "SIGHUP"}}};

}  // namespace

void catch_stop_signals() {
  struct sigaction action{};
  action.sa_handler = &note_stop_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;  // a read or write that was interrupted goes on
  sigset_t caught{};
  sigemptyset(&caught);
  for (const StopSignal& signal : stop_signals) {
    struct sigaction before{};
    const bool is_nohup =
        signal.number == SIGHUP && sigaction(SIGHUP, nullptr, &before) == 0 && before.sa_handler == SIG_IGN;
    if (!is_nohup) {
      sigaction(signal.number, &action, nullptr);
      sigaddset(&caught, signal.number);
    }
  }
  // This thread keeps the signals that the others are about to block.
  std::thread([] {
    while (true) {
      ::pause();
    }
  }).detach();
  pthread_sigmask(SIG_BLOCK, &caught, nullptr);
}

int stop_signal() noexcept { return noted_signal.load(std::memory_order_relaxed); }

std::string stop_signal_name() {
  for (const StopSignal& signal : stop_signals) {
    if (signal.number == stop_signal()) {
      return signal.name;
    }
  }
  return "a signal to another rank";
}

}  // namespace ringworld
