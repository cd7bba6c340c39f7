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
#include <span>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "data/batch.hpp"
#include "train/model_checkpoint.hpp"
#include "train/rows.hpp"
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
  /// @param terms  of the step's loss
  virtual void on_step(const TrainingStepRow& row, std::span<const TrainingTermRow> terms) = 0;
  /// What the row says of the steps all together is left to who holds their rows (train/stage_summary.hpp).
  virtual void on_stage(const TrainingStageRow& row) = 0;
  /// A checkpoint is about to be written. Commit the record now: a resumed run does not repeat the steps before a
  /// checkpoint.
  virtual void on_checkpoint() = 0;
  /// A step makes no progress, and the process is about to be ended. `row` names the step and the reason, and is not
  /// valid. Told on rank 0, or where that stands still on others, on another thread, while the thread of the other
  /// calls is inside a step.
  virtual void on_standstill(const TrainingStepRow& /*row*/) {}
};

/// How a training ended.
enum class TrainingEnd : std::uint8_t {
  finished,
  stopped,  ///< by a signal (core/stop_request.hpp), after a whole step; the checkpoint holds it
};

struct TrainingRun {
  TrainingPlan plan;
  std::filesystem::path weights;  ///< that the first stage starts from, in any format; empty: drawn from the seed
  CheckpointPolicy checkpoint;
  std::string tokenizer;        ///< Tokenizer::to_text, for the checkpoint; may be empty
  std::string frame_tokenizer;  ///< path and digest of the network whose codes are frames; empty: no frames
  std::string frame_tokenizer_digest;
  std::string settings;                    ///< what decides the result, as text, for the checkpoint; may be empty
  std::vector<std::string> stage_digests;  ///< of each stage: digest of what decides its steps, for the rows; or none
  /// Makes the data of a stage; the same on every rank.
  std::function<std::unique_ptr<BatchSource>(const Stage& stage, std::int64_t index)> make_source;
  double peak_flops_per_second = 0;  ///< of all ranks together, measured; 0: not measured
  bool is_resumed = false;           ///< go on from the file at checkpoint.path
};

/// Where a stage's checkpoint is kept.
[[nodiscard]] std::filesystem::path stage_checkpoint_path(const std::filesystem::path& path, std::int64_t stage);

/// Runs the plan to its end, or until a signal to any rank: then it ends after the step at hand, with a checkpoint from
/// which a resumed run goes on with the same results as an uninterrupted run. Collective over `world`, which every
/// stage's mesh uses whole.
/// @throws Error(bad_input) when the checkpoint is of another configuration, Error(check_failed) when a loss or a
/// gradient norm is not finite on some rank (the observer has received the invalid row of that step) or a stage ends
/// without the accuracy that it must reach.
TrainingEnd train(const Communicator& world, const TrainingRun& run, TrainingObserver& observer);

}  // namespace ringworld
