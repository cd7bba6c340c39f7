#include "core/stop_request.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>

namespace ringworld::test {
namespace {

// A signal that was noted stays noted: each test runs in a process of its own.

void exit_unless_noted(int signal) {
  std::raise(signal);
  if (stop_signal() != signal) {
    std::_Exit(1);
  }
}

TEST(StopRequestDeathTest, TheFirstSignalIsNotedOnly) {
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGXCPU, SIGHUP}) {
    EXPECT_EXIT(
        {
          catch_stop_signals();
          exit_unless_noted(signal);
          std::_Exit(0);
        },
        testing::ExitedWithCode(0), "");
  }
}

TEST(StopRequestDeathTest, ASecondSigtermEndsAtOnce) {
  EXPECT_EXIT(
      {
        catch_stop_signals();
        exit_unless_noted(SIGUSR1);
        std::raise(SIGTERM);
        std::_Exit(0);
      },
      testing::ExitedWithCode(128 + SIGTERM), "");
}

TEST(StopRequestDeathTest, TheEndOfASessionIsOneRequest) {
  EXPECT_EXIT(
      {
        catch_stop_signals();
        exit_unless_noted(SIGHUP);
        exit_unless_noted(SIGTERM);
        std::raise(SIGHUP);
        std::_Exit(stop_signal_name() == "SIGTERM" ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST(StopRequestDeathTest, NohupStaysInForce) {
  EXPECT_EXIT(
      {
        std::signal(SIGHUP, SIG_IGN);
        catch_stop_signals();
        std::raise(SIGHUP);
        std::_Exit(stop_signal() == 0 ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST(StopRequestDeathTest, ARepeatedWarningIsNoHurry) {
  EXPECT_EXIT(
      {
        catch_stop_signals();
        exit_unless_noted(SIGTERM);
        std::raise(SIGUSR1);
        std::_Exit(stop_signal_name() == "SIGTERM" ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace ringworld::test
