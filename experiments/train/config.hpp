#pragma once
/// @file  What `ringworld train` is asked to do: a TOML file of tables, and flags that override it.

#include <cstdint>
#include <string>
#include <vector>

#include "experiments/common/options.hpp"
#include "experiments/common/run_flags.hpp"
#include "train/stage.hpp"

namespace ringworld {

struct DataOptions {
  std::vector<std::string> haystack{"kjv"};  ///< kjv, synthetic, or files
  std::string tokenizer = "word";            ///< word, byte, weights (theirs), a file, or a folder with one
  std::string tokenizer_of_weights;          ///< Tokenizer::to_text, of `weights`
  std::int64_t frequent_words = 1500;        ///< words that a word vocabulary is made from
  std::string frame_tokenizer;               ///< checkpoint of the network whose codes frames become; empty: none
  std::int64_t codes_per_frame = 256;        ///< without a frame tokenizer; of LWM
  std::int64_t codebook_size = 8192;         ///< without a frame tokenizer; of LWM
  bool cards = false;                        ///< pictures and videos are of the world of cards
  std::int64_t card_variants = 1;            ///< glyphs that are made of each handwritten digit
};

/// One [[stage]] as written; what depends on the number of ranks is not worked out yet.
struct StageOptions {
  Stage stage;
  std::string mesh = "1,1,1,-1";
  std::int64_t tokens = 0;  ///< in place of steps
  double warmup = 0;        ///< steps, or a share of the steps below 1
};

/// Values of the file, then of the flags.
struct TrainOptions : RunFlags {
  TrainOptions() {
    output = "ringworld-train.h5";
    is_for_times_as_well = true;
    mesh = "";  // of every stage, in place of the file's
  }

  std::string config;
  std::string stages_name = "stages";
  std::int64_t seed = 1;
  std::string weights;  ///< to start from, in any format; empty: drawn from the seed
  std::string checkpoint = "ringworld-model.h5";
  std::int64_t checkpoint_steps = 0;
  double checkpoint_seconds = 0;
  bool keep_stages = false;
  Recomputation recomputation = Recomputation::none;
  bool dry_run = false;
  std::int64_t ranks = 0;
  std::int64_t memory_per_rank = 0;
  std::string preset;  ///< of the model, in place of the file's
  std::int64_t context_length = 0;
  std::int64_t batch = 0;
  std::int64_t stage_count = 0;
  std::string rates;                                 ///< of a backend that computes nothing
  std::vector<std::int64_t> layers_simulated{2, 4};  ///< of such a backend: two numbers of layers; 0: all

  ModelConfig model;
  bool has_model = false;       ///< the file describes one
  bool has_vocab_size = false;  ///< the file says it; else it is the tokenizer's
  InitialWeights initialization = Initialization::lwm;
  AdamWSettings optimizer;
  DataOptions data;
  std::vector<StageOptions> stages;
  std::vector<std::string> files;  ///< that were read, each extending the one before
};

/// Steps of a warm-up that is given in steps, or as a share of the stage's steps below 1.
[[nodiscard]] std::int64_t warmup_steps_of(double warmup, std::int64_t steps);

/// Declares the flags; their defaults are what `values` holds.
void declare(Options& options, TrainOptions& values);

/// A file that says `extends = "other.toml"` (beside it) starts with what that one says: its own keys win, its own
/// stages come after.
/// @param depth  of the chain of files that extend each other
/// @throws Error(bad_input) naming file, table, key and what would be right.
[[nodiscard]] TrainOptions read_train_config(const std::string& path, std::int64_t depth = 0);

/// The plan for a job of `ranks`.
/// @throws Error(bad_input) naming the stage whose mesh does not multiply to the ranks, or the invalid value.
[[nodiscard]] TrainingPlan make_plan(const TrainOptions& values, std::int64_t ranks);

}  // namespace ringworld
