#pragma once
/// @file  The one clock of all timings.

#include <chrono>

namespace ringworld {

/// Seconds of a monotonic clock; only differences mean something.
[[nodiscard]] inline double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace ringworld
