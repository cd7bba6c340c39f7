#pragma once
/// @file  Weights in another format: a model out of any TensorSource, as a folder that Hugging Face's programs load or as a
/// checkpoint of ours without moments.
///
///   TensorSource  --pieces of 64 MiB-->  <folder>/config.json, model.safetensors     (one process writes)
///                 --a range a rank---->  <file>.h5                                   (all ranks write)

#include <filesystem>

#include "core/dtype.hpp"
#include "tensors/tensor_source.hpp"
#include "train/model_checkpoint.hpp"

namespace ringworld {

/// Writes `<folder>/config.json` and `<folder>/model.safetensors`. The folder is made if it is not there.
///
/// Hugging Face pairs element i of a head with i + D/2; rows of q and k of a model that pairs neighbours change places.
/// A model whose heads are normalised is a Qwen3, one with biases of q, k and v a Qwen2, one with a window a Mistral, any
/// other a Llama; factors of the pairs of RoPE become a longrope whose two lists are alike. The root holds one piece of a tensor at a time.
/// Collective over the source's communicator.
/// @param context_length  the longest that the model was made for
/// @return false, and nothing written, when the ranks were told to stop (comm/stop_agreement.hpp)
/// @throws ringworld::Error (bad_input, collective) when the model's vocabulary has several parts, or its queries and
/// keys have biases as well as norms, which no class of Hugging Face's knows, or the folder cannot be written.
[[nodiscard]] bool export_hugging_face(const TensorSource& source, const ModelConfig& config,
                                       std::int64_t context_length, const std::filesystem::path& folder, DType dtype);

/// Writes the model's tensors as float32 and all attributes of the source. Collective over the source's communicator.
/// @return as export_hugging_face
/// @throws ringworld::Error (bad_input, collective) when the file cannot be written.
[[nodiscard]] bool export_checkpoint(const TensorSource& source, const ModelConfig& config,
                                     const std::filesystem::path& file);

}  // namespace ringworld
