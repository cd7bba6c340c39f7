#pragma once
/// @file  How long the points that are left of a sweep will take, as far as those that are done tell.

#include <optional>
#include <span>

namespace ringworld {

/// A point that is done.
struct DonePoint {
  double work = 0;     ///< in any unit, the same for all points
  double seconds = 0;  ///< that it took
};

/// Seconds that points of the given work will take, when each takes a constant and a share in proportion to its work.
/// Both are fitted to the points that are done by least squares, with none below zero.
/// @return nothing when the points done cannot tell: fewer than two, or none that did the work of which much is left
[[nodiscard]] std::optional<double> seconds_left(std::span<const DonePoint> done, std::span<const double> left);

}  // namespace ringworld
