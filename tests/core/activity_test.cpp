#include "core/activity.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace ringworld::test {
namespace {

TEST(Activity, NamesThePhasesFromTheOutermostToTheInnermost) {
  EXPECT_EQ(current_activity().phase, "");
  const Phase step("training stage {} step {}", 1, 17);
  {
    const Phase pass("forward");
    const WaitPhase wait("waiting for hop {} from rank {}", 3, 2);
    EXPECT_EQ(current_activity().phase, "training stage 1 step 17, forward, waiting for hop 3 from rank 2");
    EXPECT_TRUE(current_activity().is_waiting);
  }
  EXPECT_EQ(current_activity().phase, "training stage 1 step 17");
  EXPECT_FALSE(current_activity().is_waiting);
}

TEST(Activity, PrintsANameAsItIs) {
  const Phase phase = Phase::named("a {} of a name that is longer than what a short string holds in place");
  EXPECT_EQ(current_activity().phase, "a {} of a name that is longer than what a short string holds in place");
}

TEST(Activity, CountsWorkAndPhasesButNotTime) {
  const std::uint64_t before = current_activity().progress;
  EXPECT_EQ(current_activity().progress, before);
  note_progress();
  EXPECT_EQ(current_activity().progress, before + 1);
  {
    const Phase phase("forward");
  }
  EXPECT_EQ(current_activity().progress, before + 3);
}

TEST(Activity, ItsPatienceIsThatOfTheWorkAtHand) {
  EXPECT_EQ(current_activity().patience, 0);
  {
    const Patience patience(7);
    EXPECT_EQ(current_activity().patience, 7);
  }
  EXPECT_EQ(current_activity().patience, 0);
}

TEST(Activity, CanBeReadWhilePhasesComeAndGo) {
  std::thread work([] {
    for (int step = 0; step < 20'000; ++step) {
      const Phase phase("step {}", step);
      const WaitPhase wait("waiting");
    }
  });
  for (int look = 0; look < 2'000; ++look) {
    const std::string phase = current_activity().phase;
    EXPECT_TRUE(phase.empty() || phase.starts_with("step ")) << phase;
  }
  work.join();
}

}  // namespace
}  // namespace ringworld::test
