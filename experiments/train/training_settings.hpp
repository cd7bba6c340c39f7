#pragma once
/// @file  What decides the result of a training, as keys and values: kept in its checkpoint, digested in its rows, and
/// compared when it is resumed.
///
///   seed = 1
///   data: text = 0f3a...            digest of the text
///   optimizer: beta1 = 0.9
///   stage 0: context_length = 64
///   machine: backend = host         changes roundings and times only

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "experiments/train/config.hpp"
#include "experiments/train/training_data.hpp"
#include "train/model_checkpoint.hpp"

namespace ringworld {

struct TrainingSetting {
  std::string key;
  std::string value;
  bool operator==(const TrainingSetting&) const = default;
};

/// Everything that the training depends on. @param plan  that `make_plan` made of `values`
[[nodiscard]] std::vector<TrainingSetting> settings_of(const TrainOptions& values, const TrainingPlan& plan,
                                                       const TrainingData& data);

/// A line each, and back.
[[nodiscard]] std::string to_text(std::span<const TrainingSetting> settings);
[[nodiscard]] std::vector<TrainingSetting> parse_settings(const std::string& text);

/// Digest of what decides the steps of a stage: all but the machine, later stages, and how many steps the stage has.
[[nodiscard]] std::string digest_of_stage(std::span<const TrainingSetting> settings, std::int64_t stage);

/// How a resumed training differs from the one that wrote the checkpoint, where it may.
struct ResumedTraining {
  std::vector<std::string> notices;  ///< sentences for people
};

/// A resumed training is the same training. Allowed are: another machine (mesh, ranks, backend, ...), other stages after
/// the one that the checkpoint stands in, more steps of that stage when it is finished, and other numbers of its steps
/// when that leaves the learning rates of the steps that were taken as they were.
/// @throws Error(bad_input) naming the first key that changed, from what to what.
[[nodiscard]] ResumedTraining require_same_training(const std::string& checkpoint,
                                                    std::span<const TrainingSetting> before,
                                                    std::span<const TrainingSetting> now,
                                                    const TrainingProgress& progress, const TrainingPlan& plan);

}  // namespace ringworld
