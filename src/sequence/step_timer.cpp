#include "sequence/step_timer.hpp"

namespace ringworld {

void StepTimer::mark() {
  if (is_timing()) {
    marks_.push_back(device_.make_timing_event());
    marks_.back()->record(device_.compute_stream());
  }
}

void StepTimer::finish() {
  if (!marks_.empty()) {
    marks_.back()->synchronize();
  }
  for (std::size_t begin = 0; begin < marks_.size(); begin += 2) {
    seconds_->push_back(marks_[begin + 1]->seconds_since(*marks_[begin]));
  }
}

}  // namespace ringworld
