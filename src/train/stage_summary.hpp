#pragma once
/// @file  What the row of a stage says of its steps all together.

#include <span>

#include "io/training_rows.hpp"

namespace ringworld {

/// Fills in the shares of time and the final means of `stage` from the rows of its steps: the same whether one run took
/// them all or several did, one after another.
///
/// A share is a sum of times over the sum of step times. The final means are over the last tenth of the stage's steps, one
/// at least; of answers, over those that have any. NaN where there is no step, or none with answers.
/// @param steps  of any stages; of a step that was taken more than once, the last valid row counts
/// @param stage  schedule, stage, seed, training_digest and steps say which rows are its own
void summarise_steps(std::span<const TrainingStepRow> steps, TrainingStageRow& stage);

}  // namespace ringworld
