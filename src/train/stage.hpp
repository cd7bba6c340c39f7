#pragma once
/// @file  The stages of a schedule: context grows, parameters go on.

#include <cstdint>
#include <string>
#include <vector>

#include "comm/mesh.hpp"
#include "data/batch.hpp"
#include "model/config.hpp"
#include "model/initialization.hpp"
#include "model/model.hpp"
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
  double text_weight = 1.0;            ///< of the text loss beside the answer loss
  LossMean loss_mean = LossMean::tokens;
  std::string needle_template;         ///< short1 or long1; empty: packed documents of the haystack
  double dense_probability = 0.5;      ///< of needle rows: share that hold as many needles as fit
  std::int64_t documents_per_row = 1;  ///< of needle rows
  bool attends_within_documents = true;
  bool carries_optimizer = false;  ///< moments go on from the stage before; else they begin at 0
  /// The stage ends once the moving average (factor 0.9) of the answer accuracy is above it; 0: after `steps`. It must be
  /// reached within `steps`.
  double stop_when_answer_accuracy = 0;

  /// Whose batch a rank shares with none but its ring and tensor-parallel group.
  [[nodiscard]] std::int64_t replicas() const { return mesh[MeshAxis::dp] * mesh[MeshAxis::fsdp]; }
  [[nodiscard]] std::int64_t rows_per_rank() const { return batch / replicas(); }
  [[nodiscard]] std::int64_t rows_per_pass() const { return micro_batch == 0 ? rows_per_rank() : micro_batch; }
  [[nodiscard]] std::int64_t tokens_per_step() const { return batch * context_length; }
  [[nodiscard]] bool has_segments() const {
    return attends_within_documents && (needle_template.empty() || documents_per_row > 1);
  }
};

/// Everything that a run of training is, its data apart.
struct TrainingPlan {
  ModelConfig model;
  Initialization initialization = Initialization::lwm;
  std::string schedule = "stages";  ///< a name for records that hold several
  std::int64_t seed = 1;
  AdamWSettings optimizer;
  std::vector<Stage> stages;
  Layout layout = Layout::zigzag;
  DType dtype = DType::float32;
  DType wire_dtype = DType::float32;
  Backend backend = Backend::host;
  std::int64_t threads = 1;
  Recomputation recomputation = Recomputation::none;

  /// What a rank's model is asked for in this stage.
  [[nodiscard]] ModelOptions model_options(const Stage& stage) const;
};

/// @throws Error(bad_input) naming the stage and the first value that cannot be: `stage 2: context_length ...`.
void validate(const TrainingPlan& plan);

}  // namespace ringworld
