#pragma once
/// @file  Training through the stages of a plan, with checkpoints and resume.
///
///   stage 0 ----> checkpoint ----> stage 1 ----> checkpoint ----> ...
///   mesh A        one file         mesh B: read anew where it differs from A, else it goes on in memory
///
/// What a run computes depends on plan, mesh and data alone: a run that was killed and resumed from its last checkpoint
/// has the same bits as one that was not.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

#include "comm/communicator.hpp"
#include "data/batch.hpp"
#include "io/training_rows.hpp"
#include "train/model_checkpoint.hpp"
#include "train/stage.hpp"

namespace ringworld {

/// When and where checkpoints are written: at the end of each stage, and in between.
struct CheckpointPolicy {
  std::filesystem::path path;
  std::int64_t every_steps = 0;  ///< 0: not by steps
  double every_seconds = 0;      ///< s; 0: not by time
  bool keeps_stages = false;     ///< also keeps the file of each finished stage, as <stem>-stage-<n><extension>
};

/// Told on every rank; rows are the same on all.
class TrainingObserver {
 public:
  virtual ~TrainingObserver() = default;
  virtual void on_step(const TrainingStepRow& row) = 0;
  virtual void on_stage(const TrainingStageRow& row) = 0;
  /// A checkpoint is about to be written: what a record lacks of the steps before it would be lacking for ever.
  virtual void on_checkpoint() = 0;
};

struct TrainingRun {
  TrainingPlan plan;
  CheckpointPolicy checkpoint;
  std::string tokenizer;  ///< Tokenizer::to_text, for the checkpoint; may be empty
  /// Makes the data of a stage; the same on every rank.
  std::function<std::unique_ptr<BatchSource>(const Stage& stage, std::int64_t index)> make_source;
  double peak_flops_per_second = 0;  ///< of all ranks together, measured; 0: not measured
  bool is_resumed = false;           ///< go on from the file at checkpoint.path
};

/// Where a stage's checkpoint is kept.
[[nodiscard]] std::filesystem::path stage_checkpoint_path(const std::filesystem::path& path, std::int64_t stage);

/// Runs the plan to its end. Collective over `world`, which every stage's mesh uses whole.
/// @throws Error(bad_input) when the checkpoint is of another configuration, Error(check_failed) when a loss is not
///         finite or a stage ends without the accuracy that it must reach.
void train(const Communicator& world, const TrainingRun& run, TrainingObserver& observer);

}  // namespace ringworld
