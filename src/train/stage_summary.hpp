#pragma once
/// @file  The figures in a stage's row that summarise its steps.

#include <span>

#include "train/rows.hpp"

namespace ringworld {

/// Fills in the shares of time and the final means of `stage` from the rows of its steps: the same whether one run took
/// them all or several did, one after another.
///
/// A share is a sum of times over the sum of step times. The final means are over the last tenth of the stage's steps,
/// one at least; that of the accuracy, over those that have targets of the first term. NaN where there is none.
/// @param steps, terms  of any stages; of a step that was taken more than once, the last valid row counts
/// @param stage  stages, stage, seed, training_digest, steps and first_term say which rows are its own
void summarise_steps(std::span<const TrainingStepRow> steps, std::span<const TrainingTermRow> terms,
                     TrainingStageRow& stage);

}  // namespace ringworld
