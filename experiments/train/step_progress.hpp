#pragma once
/// @file  Progress of steps on stderr: a bar on a terminal, a line now and then in a log.

#include <cstdint>
#include <string>

namespace ringworld {

class StepProgress {
 public:
  /// @param is_speaking  false on all ranks but one
  explicit StepProgress(bool is_speaking);
  ~StepProgress();
  StepProgress(const StepProgress&) = delete;
  StepProgress& operator=(const StepProgress&) = delete;

  [[nodiscard]] bool is_speaking() const { return is_speaking_; }
  /// Whether it is time for show(); starts the wait for the next one if so.
  [[nodiscard]] bool is_due();
  /// `line`, behind a bar where there is a terminal.
  void show(const std::string& line, std::int64_t done, std::int64_t steps) const;
  /// A line that stays.
  void keep(const std::string& line) const;

 private:
  bool is_speaking_;
  bool is_terminal_;
  double last_line_;
};

/// "3:07"
[[nodiscard]] std::string minutes_and_seconds(double seconds);

}  // namespace ringworld
