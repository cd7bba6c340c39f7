#pragma once
/// @file  What a plan would cost, without running it.

#include "train/stage.hpp"

namespace ringworld {

/// Parameters, memory per rank by kind and FLOP per step of every stage, as text.
[[nodiscard]] std::string describe_cost(const TrainingPlan& plan, std::int64_t ranks);

/// @param memory_per_rank  in bytes; 0: no limit
/// @throws Error(bad_input) naming the first stage that needs more, and what it needs most of it for.
void require_fits(const TrainingPlan& plan, std::int64_t memory_per_rank);

}  // namespace ringworld
