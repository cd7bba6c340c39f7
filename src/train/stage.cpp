#include "train/stage.hpp"

#include <fmt/format.h>

#include "core/error.hpp"

namespace ringworld {
namespace {

void validate(const Stage& stage, const ModelConfig& model) {
  require_input(stage.context_length > 0,
                fmt::format("context_length is {}; give 1 or more tokens", stage.context_length));
  require_input(stage.rope_theta > 0, fmt::format("rope_theta is {}; give a positive number", stage.rope_theta));
  require_input(stage.steps > 0, fmt::format("steps is {}; give 1 or more, or tokens", stage.steps));
  require_input(stage.batch > 0 && stage.batch % stage.replicas() == 0,
                fmt::format("batch {} does not divide by dp * fsdp = {} of mesh {}; give a multiple of it", stage.batch,
                            stage.replicas(), stage.mesh.to_string()));
  require_input(stage.micro_batch >= 0 && stage.sequences_per_rank() % stage.sequences_per_pass() == 0,
                fmt::format("micro_batch {} does not divide the {} sequences of a rank", stage.micro_batch,
                            stage.sequences_per_rank()));
  require_input(stage.stop_when_accuracy >= 0 && stage.stop_when_accuracy < 1,
                fmt::format("stop_when_accuracy is {}; give 0 (never) or more, below 1", stage.stop_when_accuracy));
  validate(stage.learning_rate);
  // The mesh must divide the model, too.
  const ParameterLayout layout(model, stage.mesh[MeshAxis::tp], 0);
}

}  // namespace

ModelOptions TrainingPlan::model_options(const Stage& stage) const {
  return {.batch = stage.sequences_per_pass(),
          .context_length = stage.context_length,
          .schedule = schedule,
          .layout = layout,
          .dtype = dtype,
          .wire_dtype = wire_dtype,
          .backend = backend,
          .threads = threads,
          .recomputation = recomputation,
          .has_documents = stage.has_documents()};
}

void validate(const TrainingPlan& plan) {
  validate(plan.model);
  validate(plan.initialization, plan.model);
  validate(plan.optimizer);
  require_input(!plan.stages.empty(), "there is no stage; give at least one [[stage]]");
  for (std::size_t index = 0; index < plan.stages.size(); ++index) {
    try {
      validate(plan.stages[index], plan.model);
    } catch (const Error& error) {
      throw Error(error.kind(), fmt::format("stage {}: {}", index, error.what()), error.where());
    }
  }
}

}  // namespace ringworld
