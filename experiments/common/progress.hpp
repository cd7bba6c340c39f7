#pragma once
/// @file  Progress of a sweep on stderr: a line a finished point, and on a terminal a bar below them.

#include <cstdint>
#include <string>

namespace ringworld {

class SweepProgress {
 public:
  /// @param is_speaking  false on all ranks but one
  SweepProgress(std::int64_t points, bool is_speaking);
  ~SweepProgress();
  SweepProgress(const SweepProgress&) = delete;
  SweepProgress& operator=(const SweepProgress&) = delete;

  /// A point has ended; `line` says how.
  void advance(const std::string& line);
  /// A point was done before.
  void skip();

 private:
  void draw_bar() const;

  std::int64_t points_;
  std::int64_t done_ = 0;
  std::int64_t skipped_ = 0;
  bool is_speaking_;
  bool is_terminal_;
  double start_;
};

}  // namespace ringworld
