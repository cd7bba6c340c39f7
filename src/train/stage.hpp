#pragma once
/// @file  The stages of training: the context grows, the parameters are carried over.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "comm/mesh.hpp"
#include "model/config.hpp"
#include "model/initialization.hpp"
#include "model/model.hpp"
#include "tasks/task.hpp"
#include "train/adamw_shards.hpp"
#include "train/learning_rate.hpp"

namespace ringworld {

struct Stage {
  std::int64_t context_length = 0;  ///< S
  double rope_theta = 0;
  std::int64_t steps = 0;
  std::int64_t batch = 1;        ///< sequences a step, of all ranks together
  std::int64_t micro_batch = 0;  ///< sequences of a rank that go through the model at once; 0: all of its share
  MeshShape mesh;
  LearningRateSchedule learning_rate;  ///< `steps` is that of the stage
  /// What it trains on. Null: one document a sequence, from a source that the run has another way to make.
  std::shared_ptr<Task> task;
  bool carries_optimizer = false;  ///< keeps the moments of the stage before; otherwise they start at 0
  /// The stage ends once the moving average (factor 0.9) of the accuracy of the task's first term is above it; 0: after
  /// `steps`. It must be reached within `steps`.
  double stop_when_accuracy = 0;

  /// Number of model replicas.
  [[nodiscard]] std::int64_t replicas() const { return mesh[MeshAxis::dp] * mesh[MeshAxis::fsdp]; }
  [[nodiscard]] std::int64_t sequences_per_rank() const { return batch / replicas(); }
  [[nodiscard]] std::int64_t sequences_per_pass() const {
    return micro_batch == 0 ? sequences_per_rank() : micro_batch;
  }
  [[nodiscard]] std::int64_t tokens_per_step() const { return batch * context_length; }
  [[nodiscard]] bool has_documents() const { return task != nullptr && task->has_documents(); }
};

/// The complete description of a training run, except its data.
struct TrainingPlan {
  ModelConfig model;
  InitialWeights initialization = Initialization::lwm;
  std::string stages_name = "stages";  ///< for records that hold several
  std::int64_t seed = 1;
  AdamWSettings optimizer;
  std::vector<Stage> stages;
  Schedule schedule;
  Layout layout = Layout::zigzag;
  DType dtype = DType::float32;
  DType wire_dtype = DType::float32;
  Backend backend = Backend::host;
  std::int64_t threads = 1;
  Recomputation recomputation = Recomputation::none;

  /// Options of a rank's model in this stage.
  [[nodiscard]] ModelOptions model_options(const Stage& stage) const;
};

/// @throws Error(bad_input) naming the stage and the first value that cannot be: `stage 2: context_length ...`.
void validate(const TrainingPlan& plan);

}  // namespace ringworld
