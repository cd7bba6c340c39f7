#pragma once
/// @file  Memory of a rank in training, by kind, from shapes alone: what `--dry-run` prints and runs are held against.

#include "model/memory.hpp"
#include "train/stage.hpp"

namespace ringworld {

/// Bytes of the rank that holds most.
struct TrainingMemory {
  ModelMemory model;
  std::int64_t moments = 0;  ///< two fp32 shards

  [[nodiscard]] std::int64_t total() const { return model.total() + moments; }
};

[[nodiscard]] TrainingMemory training_memory(const TrainingPlan& plan, const Stage& stage);

}  // namespace ringworld
