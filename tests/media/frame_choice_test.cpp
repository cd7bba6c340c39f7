#include "media/frame_choice.hpp"

#include <gtest/gtest.h>

namespace ringworld {
namespace {

std::vector<double> at_rate(double rate, std::int64_t count) {
  std::vector<double> times;
  for (std::int64_t frame = 0; frame < count; ++frame) {
    times.push_back(static_cast<double>(frame) / rate);
  }
  return times;
}

using Numbers = std::vector<std::int64_t>;

TEST(FrameChoice, SpreadsAsNumpysLinspaceTruncated) {
  EXPECT_EQ(choose_frames(at_rate(25, 100), {.frames = 8}), (Numbers{0, 14, 28, 42, 56, 70, 84, 99}));
  EXPECT_EQ(choose_frames(at_rate(25, 10), {.frames = 4}), (Numbers{0, 3, 6, 9}));
  EXPECT_EQ(choose_frames(at_rate(25, 100), {.frames = 1}), (Numbers{0}));
  EXPECT_EQ(choose_frames(at_rate(25, 8), {.frames = 7}), (Numbers{0, 1, 2, 3, 4, 5, 7}));
}

/// 7 * (61 / 7) is less than 61 in floating point, and 7 * (122 / 14) less than 61: numpy mends the first, not the second.
TEST(FrameChoice, RoundsWhereNumpyRounds) {
  EXPECT_EQ(choose_frames(at_rate(25, 62), {.frames = 8}), (Numbers{0, 8, 17, 26, 34, 43, 52, 61}));
  EXPECT_EQ(choose_frames(at_rate(25, 123), {.frames = 15}),
            (Numbers{0, 8, 17, 26, 34, 43, 52, 60, 69, 78, 87, 95, 104, 113, 122}));
}

TEST(FrameChoice, TakesAllOfAShortClip) {
  EXPECT_EQ(choose_frames(at_rate(25, 3), {.frames = 8}), (Numbers{0, 1, 2}));
  EXPECT_EQ(choose_frames(at_rate(25, 3), {.frames = 3}), (Numbers{0, 1, 2}));
  EXPECT_EQ(choose_frames(at_rate(25, 3), {}), (Numbers{0, 1, 2}));
}

TEST(FrameChoice, ARateTakesTheFrameThatIsSeen) {
  EXPECT_EQ(choose_frames(at_rate(4, 9), {.frames_per_second = 1}), (Numbers{0, 4, 8}));
  EXPECT_EQ(choose_frames(at_rate(25, 51), {.frames_per_second = 1}), (Numbers{0, 25, 50}));
  EXPECT_EQ(choose_frames(at_rate(25, 50), {.frames_per_second = 1}), (Numbers{0, 25}));
  // At 10 and 20 s the frames of 7 and 19 s are seen.
  EXPECT_EQ(choose_frames(std::vector<double>{0, 3, 7, 19, 23}, {.frames_per_second = 0.1}), (Numbers{0, 2, 3}));
}

TEST(FrameChoice, ARateBeyondTheClipsTakesEachFrameOnce) {
  EXPECT_EQ(choose_frames(at_rate(2, 4), {.frames_per_second = 30}), (Numbers{0, 1, 2, 3}));
  EXPECT_EQ(choose_frames(at_rate(30000.0 / 1001.0, 5), {.frames_per_second = 30000.0 / 1001.0}),
            (Numbers{0, 1, 2, 3, 4}));
}

}  // namespace
}  // namespace ringworld
