#include "core/stop_request.hpp"

#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <thread>

namespace ringworld {
namespace {

// A signal handler reaches nothing but objects of static storage.
std::atomic<int> noted_signal{0};
static_assert(std::atomic<int>::is_always_lock_free, "a handler may use it");

extern "C" void note_stop_signal(int signal) {
  int before = 0;
  if (noted_signal.compare_exchange_strong(before, signal)) {
    return;
  }
  if (before == SIGHUP) {  // the end of a session sends SIGTERM along with it
    noted_signal = signal;
  } else if (signal == SIGTERM || signal == SIGINT) {
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
