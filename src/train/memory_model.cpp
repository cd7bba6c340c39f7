#include "train/memory_model.hpp"

namespace ringworld {

TrainingMemory training_memory(const TrainingPlan& plan, const Stage& stage) {
  const std::int64_t shard_bytes =
      parameter_shard_elements(plan.model, stage.mesh) * static_cast<std::int64_t>(sizeof(float));
  return {.model = model_memory(plan.model, stage.mesh, plan.model_options(stage)), .moments = 2 * shard_bytes};
}

}  // namespace ringworld
