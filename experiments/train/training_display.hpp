#pragma once
/// @file  Progress of training on stderr: a bar on a terminal, a line now and then in a log.

#include <cstdint>
#include <span>
#include <vector>

#include "experiments/train/step_progress.hpp"
#include "train/rows.hpp"
#include "train/stage.hpp"

namespace ringworld {

class TrainingDisplay {
 public:
  /// @param is_speaking  false on all ranks but one
  TrainingDisplay(const std::vector<Stage>& stages, bool is_speaking);

  void step(const TrainingStepRow& row, std::span<const TrainingTermRow> terms);
  void stage(const TrainingStageRow& row);

 private:
  const std::vector<Stage>& stages_;
  StepProgress progress_;
};

}  // namespace ringworld
