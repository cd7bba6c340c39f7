#pragma once
/// @file  A model in a checkpoint: parameters under Hugging Face's names, configuration as attributes, moments under
/// `optimizer/`.
///
///   /model.embed_tokens.weight                                  (vocab_size, hidden_size)
///   /model.layers.0.self_attn.q_proj.weight                     (out, in), ...
///   /optimizer/first_moment/<name>, /optimizer/second_moment/<name>
///   attributes: hidden_size, intermediate_size, num_hidden_layers, ..., rope_pairing, vocabulary, tokenizer,
///   progress of training

#include <cstdint>
#include <string>

#include "io/checkpoint.hpp"
#include "model/parameters.hpp"
#include "tensors/tensor_source.hpp"
#include "train/adamw_shards.hpp"

namespace ringworld {

/// How NaN and infinite numbers in a file are handled.
enum class NonFinite : std::uint8_t {
  refused,
  allowed,  ///< the root warns of them
};

/// Where training stood when a checkpoint was written.
struct TrainingProgress {
  std::int64_t stage = 0;
  std::int64_t step = 0;  ///< steps done of the stage
  bool is_stage_done = false;
  std::int64_t updates = 0;       ///< of the optimiser, since its moments were 0
  double accuracy_average = 0;    ///< moving average of the accuracy of the task's first term
  double elapsed = 0;             ///< s, training time of all stages
  double stage_seconds = 0;       ///< s, training time of this stage
  double reshard_seconds = 0;     ///< s, of this stage
  double checkpoint_seconds = 0;  ///< s, of this stage's checkpoints before this one
  double flop_causal = 0;         ///< FLOP, of this stage
};

/// Metadata of the model in a checkpoint, besides the tensors.
struct CheckpointDescription {
  std::int64_t seed = 0;
  std::int64_t context_length = 0;  ///< token, of the stage that trained it last
  double rope_theta = 0;            ///< of that stage
  std::string stages;               ///< name of the list of stages (attribute `schedule`)
  std::int64_t stage = 0;           ///< number of that stage in it, counted from 0
  std::string task;                 ///< of that stage: `describe_task`; empty in files that do not say it
  std::string tokenizer;            ///< Tokenizer::to_text
  std::string frame_tokenizer;      ///< path of the network that made the codes of its frames; empty: it has no frames
  std::string frame_tokenizer_digest;  ///< FrameTokenizer::digest() of it
  std::string settings;                ///< what decided the result, a line `key = value` each; empty in older files
};

/// The configuration that the attributes hold. Written by another framework, they need only have Hugging Face's names
/// and `rope_pairing`; rope_precision, head_dim, initializer_range, query_key_norm and sliding_window are optional.
/// @throws ringworld::Error (bad_input, collective) naming the file and the attribute; also one, or a dataset, that
/// asks for what the model does not do (checkpoint_attributes.hpp).
[[nodiscard]] ModelConfig read_model_config(const TensorSource& source);

/// @throws ringworld::Error (bad_input, collective) when the file was not written by a training run.
[[nodiscard]] CheckpointDescription read_description(const TensorSource& source);
/// What a model of another program says of itself: how long its contexts may be, and its theta. It has no tokenizer, no
/// schedule and no seed.
/// @throws ringworld::Error (bad_input, collective) when it does not say how long its contexts may be.
[[nodiscard]] CheckpointDescription read_foreign_description(const TensorSource& source);
[[nodiscard]] TrainingProgress read_progress(const TensorSource& source);

/// @throws ringworld::Error (bad_input, collective) naming the first value in which the file's configuration is
/// another. The theta may differ: stages change it.
void require_same_model(const TensorSource& source, const ModelConfig& config);

/// Writes and publishes; returns the seconds that it took. Collective over `world`, which holds the whole mesh.
double write_model_checkpoint(const Communicator& world, const std::filesystem::path& path,
                              ShardedParameters& parameters, AdamWShards& optimizer,
                              const CheckpointDescription& description, const TrainingProgress& progress);

/// Fills the parameters from the file, whatever mesh or program wrote it. Collective over the source's communicator.
/// @throws ringworld::Error (bad_input, collective) naming the dataset that is missing, of another shape, or that holds
/// numbers which are not finite, unless these are allowed.
void read_parameters(const TensorSource& source, ShardedParameters& parameters, NonFinite policy = NonFinite::refused);

/// Fills the moments, which must be finite, in the same way.
void read_moments(const TensorSource& source, ShardedParameters& parameters, AdamWShards& optimizer);

}  // namespace ringworld
