#include "core/trace.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "core/activity.hpp"

namespace ringworld::test {
namespace {

bool holds(const TraceSpan& outer, const TraceSpan& inner) {
  return outer.begin <= inner.begin && inner.end <= outer.end;
}

TEST(Trace, IsOffUntilStarted) {
  EXPECT_FALSE(is_tracing());
  {
    const Phase phase("nobody looks");
  }
  EXPECT_TRUE(take_trace().spans.empty());
}

TEST(Trace, PhasesAndRegionsNest) {
  start_trace(100);
  {
    const Phase step("step {} of {}", 2, 3);
    const Phase named = Phase::named("a {} in a name");
    const TraceRegion region("compute");
  }
  const Trace trace = take_trace();
  EXPECT_FALSE(is_tracing());
  ASSERT_EQ(trace.spans.size(), 3U);
  EXPECT_EQ(trace.spans[0].name, "step 2 of 3");
  EXPECT_EQ(trace.spans[1].name, "a {} in a name");
  EXPECT_EQ(trace.spans[2].name, "compute");
  EXPECT_TRUE(holds(trace.spans[0], trace.spans[1]));
  EXPECT_TRUE(holds(trace.spans[1], trace.spans[2]));
  EXPECT_EQ(trace.left_out, 0);
}

TEST(Trace, KeepsTheLatestSpansAndCountsTheOthers) {
  start_trace(3);
  {
    const TraceRegion all("all");
    for (int step = 0; step < 10; ++step) {
      const TraceRegion region({.format = "step {}", .values = {step}});
    }
  }
  const Trace trace = take_trace();
  ASSERT_EQ(trace.spans.size(), 3U);
  EXPECT_EQ(trace.spans[0].name, "all");
  EXPECT_EQ(trace.spans[1].name, "step 8");
  EXPECT_EQ(trace.spans[2].name, "step 9");
  EXPECT_EQ(trace.left_out, 8);
  EXPECT_GT(trace.left_out_until, trace.spans[0].begin);
  EXPECT_LE(trace.left_out_until, trace.spans[1].begin);
}

TEST(Trace, TransfersMayOverlap) {
  start_trace(10);
  TraceFlight first;
  TraceFlight second;
  first.begin("hop", 100, 1, 2);
  second.begin("hop", 200);
  first.end();
  second.end();
  second.end();
  const Trace trace = take_trace();
  ASSERT_EQ(trace.spans.size(), 2U);
  EXPECT_EQ(trace.spans[0].track, TraceTrack::transfers);
  EXPECT_EQ(trace.spans[0].bytes, 100);
  EXPECT_EQ(trace.spans[0].to, 1);
  EXPECT_EQ(trace.spans[0].from, 2);
  EXPECT_EQ(trace.spans[1].bytes, 200);
  EXPECT_LE(trace.spans[1].begin, trace.spans[0].end);
}

TEST(LazyName, NamesOfOneKindDifferInTheirNumbers) {
  constexpr const char* format = "ring step {} of {}";
  EXPECT_EQ((LazyName{.format = format, .values = {1, 12}}).to_string(), "ring step 1 of 12");
  EXPECT_EQ((LazyName{.format = format, .values = {1, 12}}).kind(), "ring step N of N");
  EXPECT_EQ(LazyName::of_text("waiting for hop 3 from rank 17").kind(), "waiting for hop N from rank N");
  EXPECT_EQ(LazyName::of_text("S=64 P=2 ring, 3x").kind(), "S=64 P=2 ring, 3x");
  EXPECT_EQ(LazyName::of_text(" two  spaces ").kind(), " two  spaces ");
  EXPECT_EQ(LazyName::of_text("").kind(), "");
}

/// Writes down what it is told.
class Diary final : public RegionObserver {
 public:
  explicit Diary(std::string& text) : text_(text) {}
  void begin(const LazyName& name) override { text_ += "(" + name.to_string(); }
  void end(const LazyName& name) override { text_ += name.kind() + ")"; }

 private:
  std::string& text_;
};

// An observer stays to the end of the process, so it has one of its own.
TEST(TraceDeathTest, AnObserverHearsOfRegionsWithoutATrace) {
  EXPECT_EXIT(
      {
        std::string text;
        observe_regions(std::make_unique<Diary>(text));
        {
          const Phase step("s {}", 1);
          const TraceRegion region("c");
        }
        std::exit(text == "(s 1(cc)s N)" && take_trace().spans.empty() ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST(Trace, KeepsNoRegionOfAnotherThread) {
  start_trace(10);
  std::thread([] { const TraceRegion region("of a watchdog"); }).join();
  EXPECT_TRUE(take_trace().spans.empty());
}

}  // namespace
}  // namespace ringworld::test
