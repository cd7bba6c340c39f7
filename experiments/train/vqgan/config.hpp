#pragma once
/// @file  What `ringworld train` is asked to do with a TOML file that has a [vqgan] table, and flags that override it.

#include <cstdint>
#include <string>
#include <vector>

#include "experiments/common/options.hpp"
#include "experiments/common/run_flags.hpp"
#include "vqgan/training.hpp"

namespace ringworld {

/// Where frames come from.
struct VqganFrames {
  std::vector<std::string> training{"cards"};  ///< cards, or pictures, videos and folders of them
  std::vector<std::string> evaluation;         ///< held-out pictures; of cards, those of handwriting never trained on
  std::int64_t card_variants = 1;              ///< glyphs made of each handwritten digit
  double card_shape_share = 0.25;              ///< of the cards
};

/// Values of the file, then of the flags.
struct VqganOptions : RunFlags {
  VqganOptions() { output = "ringworld-train.h5"; }

  std::string config;
  std::int64_t seed = 1;
  std::string checkpoint = "ringworld-vqgan.h5";
  std::int64_t checkpoint_steps = 0;
  double checkpoint_seconds = 0;
  bool dry_run = false;
  std::int64_t ranks = 0;
  std::int64_t memory_per_rank = 0;
  std::int64_t steps = 0;  ///< in place of the file's; 0: as there
  std::int64_t batch = 0;  ///< in place of the file's; 0: as there
  VqganFrames frames;
  VqganTrainingPlan plan;
  double warmup = 0;  ///< steps, or a share of the steps below 1
};

/// Whether the file trains a VQGAN. @throws Error(bad_input) naming a file that cannot be read.
[[nodiscard]] bool is_vqgan_training(const std::string& path);

/// Declares the flags; their defaults are what `values` holds.
void declare(Options& options, VqganOptions& values);

/// @throws Error(bad_input) naming file, table, key and what would be right.
[[nodiscard]] VqganOptions read_vqgan_options(const std::string& path);

/// The plan that file and flags make together.
/// @throws Error(bad_input) naming the first invalid value.
[[nodiscard]] VqganTrainingPlan make_plan(const VqganOptions& values);

}  // namespace ringworld
