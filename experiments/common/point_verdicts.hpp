#pragma once
/// @file  How the points of a run ended, and the exit code that this makes.

#include <cstdint>

#include "comm/communicator.hpp"
#include "io/outcome.hpp"

namespace ringworld {

/// Counts the points that were asked for, those that the record held already included.
class PointVerdicts {
 public:
  void count(Outcome outcome);

  /// Says on the log, when there are points that were not measured, how they are tried again.
  void print_advice() const;

  /// 0 when a point is valid (or none was asked for) and no check failed, else 1. Collective; the root's counts decide.
  [[nodiscard]] int exit_code(const Communicator& world) const;

 private:
  std::int64_t points_ = 0;
  std::int64_t valid_ = 0;
  std::int64_t failed_ = 0;      // measured, with a wrong result
  std::int64_t unmeasured_ = 0;  // for want of memory or time
};

}  // namespace ringworld
