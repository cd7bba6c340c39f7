#pragma once
/// @file  Progress of a sweep on stderr: a line a finished point, and on a terminal a bar below them.

#include <cstdint>
#include <string>
#include <vector>

#include "experiments/common/time_left.hpp"

namespace ringworld {

class SweepProgress {
 public:
  /// @param work  of each point, in order and in any unit: what its time depends on. Ones, where nothing is known.
  /// @param is_speaking  false on all ranks but one
  SweepProgress(std::vector<double> work, bool is_speaking);
  /// Points of which no one knows which takes longer.
  SweepProgress(std::int64_t points, bool is_speaking);
  ~SweepProgress();
  SweepProgress(const SweepProgress&) = delete;
  SweepProgress& operator=(const SweepProgress&) = delete;

  /// The next point was done before.
  void skip();
  /// The next point begins: says, once, how many were done before.
  void begin();
  /// The point has ended; `line` says how.
  void advance(const std::string& line);

 private:
  void say_skipped();
  [[nodiscard]] std::string time_left() const;
  void draw_bar() const;

  std::vector<double> work_;  // of all points; those before next_ are done or skipped
  std::size_t next_ = 0;
  std::vector<DonePoint> done_;
  std::int64_t unsaid_skips_ = 0;
  bool is_speaking_;
  bool is_terminal_;
  double start_;
  double last_;  // when the latest point ended
};

}  // namespace ringworld
