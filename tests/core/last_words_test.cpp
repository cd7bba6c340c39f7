#include "core/last_words.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace ringworld::test {
namespace {

// What says its last words never goes on: each runs in a process of its own.

TEST(LastWordsDeathTest, TheInnermostScopeSpeaks) {
  EXPECT_EXIT(
      {
        const LastWords outer([](const std::string&) { std::fputs("outer\n", stderr); });
        const LastWords inner([](const std::string& reason) { std::fprintf(stderr, "inner: %s\n", reason.c_str()); });
        std::_Exit(say_last_words("hung", 1) ? 0 : 1);
      },
      testing::ExitedWithCode(0), "^inner: hung\n$");
}

TEST(LastWordsDeathTest, AClosedScopeIsSilent) {
  EXPECT_EXIT(
      {
        {
          const LastWords words([](const std::string&) { std::fputs("said\n", stderr); });
        }
        std::_Exit(say_last_words("hung", 1) ? 1 : 0);
      },
      testing::ExitedWithCode(0), "^$");
}

TEST(LastWordsDeathTest, ThatAreBeingSaidAreNotLeftBehind) {
  EXPECT_EXIT(
      {
        std::atomic<bool> is_open{false};
        std::atomic<bool> is_speaking{false};
        std::thread watchdog([&] {
          while (!is_open) {
            std::this_thread::yield();
          }
          say_last_words("hung", 1);
          std::_Exit(0);  // with the words said
        });
        {
          const LastWords words([&](const std::string&) {
            is_speaking = true;
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
            std::fputs("said\n", stderr);
          });
          is_open = true;
          while (!is_speaking) {
            std::this_thread::yield();
          }
        }
        std::_Exit(1);  // the scope closed in the middle of its words
      },
      testing::ExitedWithCode(0), "^said\n$");
}

}  // namespace
}  // namespace ringworld::test
