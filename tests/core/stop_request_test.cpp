#include "core/stop_request.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

namespace ringworld::test {
namespace {

// A signal that was noted stays noted: each test runs in a process of its own.

constexpr std::array every_signal{SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGXCPU, SIGHUP};

/// Sends a signal to this process, whose handler runs on another thread, and gives that thread time.
void send(int signal) {
  ::kill(::getpid(), signal);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
}

void exit_unless_noted(int signal) {
  ::kill(::getpid(), signal);
  for (int waited = 0; stop_signal() != signal; ++waited) {
    if (waited == 10'000) {
      std::_Exit(1);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

/// Whether the calling thread takes none of the signals.
bool is_spared() {
  sigset_t blocked{};
  pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  for (const int signal : every_signal) {
    if (sigismember(&blocked, signal) != 1) {
      return false;
    }
  }
  return true;
}

/// As a shell starts a program in the foreground: `nohup` and batch systems hand down signals that are ignored.
class StopRequestDeathTest : public testing::Test {
 protected:
  StopRequestDeathTest() {
    for (const int signal : every_signal) {
      std::signal(signal, SIG_DFL);
    }
  }
};

TEST_F(StopRequestDeathTest, TheFirstSignalIsNotedOnly) {
  for (const int signal : every_signal) {
    EXPECT_EXIT(
        {
          catch_stop_signals();
          exit_unless_noted(signal);
          std::_Exit(0);
        },
        testing::ExitedWithCode(0), "");
  }
}

TEST_F(StopRequestDeathTest, ASecondSigtermEndsAtOnce) {
  EXPECT_EXIT(
      {
        catch_stop_signals();
        exit_unless_noted(SIGUSR1);
        send(SIGTERM);
        ::sleep(30);  // another thread takes it
        std::_Exit(0);
      },
      testing::ExitedWithCode(128 + SIGTERM), "");
}

TEST_F(StopRequestDeathTest, TwoSigtermsInThreeSecondsAreOneRequest) {
  EXPECT_EXIT(
      {
        catch_stop_signals();
        exit_unless_noted(SIGTERM);
        std::this_thread::sleep_for(std::chrono::seconds(1));
        send(SIGTERM);
        std::_Exit(0);
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(StopRequestDeathTest, ALaterSigtermEndsAtOnce) {
  EXPECT_EXIT(
      {
        catch_stop_signals();
        exit_unless_noted(SIGTERM);
        std::this_thread::sleep_for(std::chrono::seconds(3));
        send(SIGTERM);
        ::sleep(30);  // another thread takes it
        std::_Exit(0);
      },
      testing::ExitedWithCode(128 + SIGTERM), "");
}

TEST_F(StopRequestDeathTest, TheEndOfASessionIsOneRequest) {
  EXPECT_EXIT(
      {
        catch_stop_signals();
        exit_unless_noted(SIGHUP);
        exit_unless_noted(SIGTERM);
        send(SIGHUP);
        std::_Exit(stop_signal_name() == "SIGTERM" ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(StopRequestDeathTest, NohupStaysInForce) {
  EXPECT_EXIT(
      {
        std::signal(SIGHUP, SIG_IGN);
        catch_stop_signals();
        send(SIGHUP);
        std::_Exit(stop_signal() == 0 ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(StopRequestDeathTest, ARepeatedWarningIsNoHurry) {
  EXPECT_EXIT(
      {
        catch_stop_signals();
        exit_unless_noted(SIGTERM);
        send(SIGUSR1);
        std::_Exit(stop_signal_name() == "SIGTERM" ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(StopRequestDeathTest, ThreadsThatComputeAreSpared) {
  EXPECT_EXIT(
      {
        if (is_spared()) {
          std::_Exit(2);
        }
        catch_stop_signals();
        bool is_later_one_spared = false;
        std::thread([&] { is_later_one_spared = is_spared(); }).join();
        std::_Exit(is_spared() && is_later_one_spared ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace ringworld::test
