#pragma once
/// @file  Checkpoints with Hugging Face Llama's names, written by any framework through h5py.
///
/// Attributes of the file: hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads,
/// rms_norm_eps, rope_theta, vocab_size, tie_word_embeddings, attention_bias, rope_pairing (half_split or interleaved);
/// head_dim where it is not hidden_size / num_attention_heads; rope_precision (float32, the default, or float64).
/// Datasets: one a parameter, named and shaped as in Hugging Face (model.layers.0.self_attn.q_proj.weight, (out, in)).

#include "io/tensor_file.hpp"
#include "model/parameters.hpp"

namespace ringworld {

/// @throws Error(bad_input) naming the attribute that is missing or of another type, or what cannot be.
[[nodiscard]] ModelConfig read_model_config(const TensorReader& file);

/// Reads this rank's shards.
/// @throws Error(bad_input) naming the dataset that is missing, of another shape, or that the model has no place for.
void read_parameters(const TensorReader& file, ShardedParameters& parameters);

}  // namespace ringworld
