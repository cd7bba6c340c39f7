#pragma once
/// @file  Progress of a VQGAN's training on stderr: a bar on a terminal, a line now and then in a log.

#include <cstdint>

#include "experiments/train/step_progress.hpp"
#include "vqgan/rows.hpp"

namespace ringworld {

class VqganDisplay {
 public:
  /// @param steps  of the training     @param is_speaking  false on all ranks but one
  VqganDisplay(std::int64_t steps, bool is_speaking);

  void step(const VqganStepRow& row);
  void evaluation(const VqganEvaluationRow& row);

 private:
  std::int64_t steps_;
  StepProgress progress_;
};

}  // namespace ringworld
