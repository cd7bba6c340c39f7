#pragma once
/// @file  Training of a VQGAN on any number of ranks, with checkpoints and resume.
///
///   step 0 ........ plain_steps ............................ restart_until ..... steps
///   autoencoder     | codebook by k-means                    |
///   without the     | quantiser, straight through; unused    | no restarts any more
///   quantiser       | codes start again now and then         |
///
/// A step's frames are cut over the ranks, which need not get equally many; every rank holds the whole network, and
/// gradients are summed over ranks. What a run computes depends on plan, number of ranks and frames alone: a run that
/// was killed and resumed from its last checkpoint has the same bits as one that was not. Another number of ranks changes
/// the order of sums, and so the roundings.
///
/// Sources: van den Oord, Vinyals, Kavukcuoglu, "Neural Discrete Representation Learning", arXiv:1711.00937; Esser,
/// Rombach, Ommer, "Taming Transformers for High-Resolution Image Synthesis", arXiv:2012.09841. Deviations: there is no
/// discriminator and no perceptual loss (LPIPS needs a pretrained network); the reconstruction loss is
/// absolute_weight mean |x - x'| + squared_weight mean (x - x')^2.

#include <cstdint>
#include <string>

#include "comm/communicator.hpp"
#include "data/frame_source.hpp"
#include "device/backend.hpp"
#include "train/adamw_shards.hpp"
#include "train/learning_rate.hpp"
#include "train/trainer.hpp"
#include "vqgan/config.hpp"
#include "vqgan/memory.hpp"
#include "vqgan/rows.hpp"

namespace ringworld {

struct VqganTrainingPlan {
  VqganConfig config;
  std::int64_t seed = 1;
  std::int64_t steps = 0;
  std::int64_t batch = 16;       ///< frames a step, over all ranks
  std::int64_t micro_batch = 0;  ///< most frames of a pass of one rank; 0: all that it has
  LearningRateSchedule learning_rate;
  AdamWSettings optimizer{.beta1 = 0.9, .beta2 = 0.99, .weight_decay = 0};
  double absolute_weight = 1;
  double squared_weight = 1;
  double codebook_weight = 1;         ///< of the codebook loss; that of the commitment is this times config.commitment
  std::int64_t plain_steps = 0;       ///< before the quantiser
  std::int64_t seeding_frames = 512;  ///< whose z the codebook is made from
  std::int64_t seeding_rounds = 5;    ///< Lloyd's
  std::int64_t restart_every = 25;    ///< steps in which a code must be used; 0: no restarts
  double restart_until = 0.8;         ///< share of the steps
  std::int64_t evaluate_every = 0;    ///< steps; 0: at the end only
  std::int64_t evaluation_frames = 300;
  Backend backend = Backend::host;
  std::int64_t threads = 1;
};

/// @throws Error(bad_input) naming the first invalid value.
void validate(const VqganTrainingPlan& plan);

/// Frames of a pass of the rank with most.
[[nodiscard]] std::int64_t frames_per_pass(const VqganTrainingPlan& plan, std::int64_t ranks);

/// Bytes of a rank, without the scratch memory of kernels.
[[nodiscard]] MemoryByUse plan_vqgan_training_memory(const VqganTrainingPlan& plan, std::int64_t ranks);

/// Told on every rank; rows are the same on all.
class VqganObserver {
 public:
  virtual ~VqganObserver() = default;
  virtual void on_step(const VqganStepRow& row) = 0;
  virtual void on_evaluation(const VqganEvaluationRow& row) = 0;
  /// A checkpoint is about to be written. Commit the record now: a resumed run does not repeat the steps before it.
  virtual void on_checkpoint() = 0;
  /// As TrainingObserver::on_standstill.
  virtual void on_standstill(const VqganStepRow& /*row*/) {}
};

struct VqganRun {
  VqganTrainingPlan plan;
  CheckpointPolicy checkpoint;
  const FrameSource* training = nullptr;    ///< of plan.config.frame_side
  const FrameSource* evaluation = nullptr;  ///< the same side, other frames
  std::string settings;                     ///< what decides the result, as text, for the checkpoint
  std::string digest;                       ///< of the settings, for the rows
  bool is_resumed = false;                  ///< go on from the file at checkpoint.path
};

/// Trains to the end of the plan, or until a signal to any rank: then it ends after the step at hand, with a checkpoint
/// from which a resumed run goes on with the same results. Collective over `world`.
/// @throws Error(bad_input) when the checkpoint is of another network, Error(check_failed) when a loss or gradient norm
/// is not finite (the observer has received the invalid row of that step).
TrainingEnd train_vqgan(const Communicator& world, const VqganRun& run, VqganObserver& observer);

}  // namespace ringworld
