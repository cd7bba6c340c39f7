#pragma once
/// @file  The one clock of all timings.
///
/// In a build for simulated ranks (RINGWORLD_ENABLE_SIMGRID) it is the clock of the simulation, which all that is timed
/// then reads.

#include <functional>

namespace ringworld {

/// Seconds of a monotonic clock; only differences mean something.
[[nodiscard]] double now_seconds();

/// Lets so many seconds pass, and calls `meanwhile`, unless it is empty, as often as a kernel has tiles.
/// @return false when `meanwhile` did, which ends the wait
bool pass_time(double seconds, const std::function<bool()>& meanwhile);

}  // namespace ringworld
