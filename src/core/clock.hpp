#pragma once
/// @file  The clock of all that is measured, and that of the people who wait for it.
///
/// They are one but in a build for simulated ranks (RINGWORLD_ENABLE_SIMGRID): there what is measured reads the clock of
/// the simulation.

#include <functional>

namespace ringworld {

/// Seconds of a monotonic clock; only differences mean something.
[[nodiscard]] double now_seconds();

/// Seconds of this machine's monotonic clock, also where time is simulated: for progress, and for how often a record is
/// saved.
[[nodiscard]] double wall_seconds();

/// Lets so many seconds pass, and calls `meanwhile`, unless it is empty, as often as a kernel has tiles.
/// @return false when `meanwhile` did, which ends the wait
bool pass_time(double seconds, const std::function<bool()>& meanwhile);

}  // namespace ringworld
