#include "core/stop_request.hpp"

#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>

namespace ringworld {
namespace {

// A signal handler reaches nothing but objects of static storage.
std::atomic<int> noted_signal{0};
static_assert(std::atomic<int>::is_always_lock_free, "a handler may use it");

extern "C" void note_stop_signal(int signal) {
  int expected = 0;
  if (!noted_signal.compare_exchange_strong(expected, signal) && signal != SIGUSR1) {
    // The sender does not want to wait. SIGUSR1 is a warning only, which launchers repeat.
    constexpr int signal_exit_base = 128;
    ::_exit(signal_exit_base + signal);
  }
}

}  // namespace

void catch_stop_signals() {
  struct sigaction action{};
  action.sa_handler = &note_stop_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;  // a read or write that was interrupted goes on
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) {
    sigaction(signal, &action, nullptr);
  }
}

int stop_signal() noexcept { return noted_signal.load(std::memory_order_relaxed); }

std::string stop_signal_name() {
  switch (stop_signal()) {
    case SIGTERM:
      return "SIGTERM";
    case SIGINT:
      return "SIGINT";
    case SIGUSR1:
      return "SIGUSR1";
    default:
      return "a signal to another rank";
  }
}

}  // namespace ringworld
