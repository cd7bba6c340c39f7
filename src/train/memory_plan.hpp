#pragma once
/// @file  Memory of a rank in training, found by constructing the rank's model on a device that only counts bytes.
///
/// No size is written down here: the plan counts every allocation of a layer, a schedule or an optimiser. So plan and
/// run agree to the byte, and a plan needs neither the machine nor its ranks.

#include "device/memory_ledger.hpp"
#include "train/stage.hpp"

namespace ringworld {

/// Bytes of rank `rank` where its kernels compute, at the moment of this stage when it holds most.
/// @param rank  of the stage's mesh, which no job has to have
/// @throws Error(bad_input) as ParameterLayout and Model do
[[nodiscard]] MemoryByUse plan_memory(const TrainingPlan& plan, const Stage& stage, std::int64_t rank);

/// Bytes of the rank that holds most. Of more than 64 ranks not all are tried: where a device keeps partial sums of
/// squares, another rank may hold some more of these, 8 bytes each.
[[nodiscard]] MemoryByUse plan_largest_memory(const TrainingPlan& plan, const Stage& stage);

}  // namespace ringworld
