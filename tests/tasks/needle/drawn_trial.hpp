#pragma once
/// @file  Trials of one needle format over the words of the small world.

#include "data/small_world.hpp"
#include "tasks/needle/trial.hpp"

namespace ringworld::test {

[[nodiscard]] inline const WordTokenizer& words() { return small_world().words; }

/// LWM's long needles (NeedleTemplate::long1).
[[nodiscard]] inline const NeedleFormat& format() {
  static const NeedleFormat long1(words(), NeedleTemplate::long1);
  return long1;
}

[[nodiscard]] inline NeedleTrial draw(const NeedleCell& cell, std::int64_t trial = 0) {
  return draw_needle_trial(format(), small_world().word_hay, cell, trial);
}

}  // namespace ringworld::test
