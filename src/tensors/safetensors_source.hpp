#pragma once
/// @file  Weights in safetensors files: one file, many that an index names, or a folder of Hugging Face with either.
///
///   folder/config.json                         the model, as attributes
///   folder/model.safetensors                   or
///   folder/model.safetensors.index.json        {"weight_map": {"<name>": "model-00001-of-00002.safetensors", ...}}
///
/// The path may be the folder, the file or the index; config.json is looked for beside it. The root reads the headers
/// once for all ranks; each rank reads the elements of its own ranges and no others.

#include <filesystem>
#include <memory>

#include "tensors/tensor_source.hpp"

namespace ringworld {

/// A folder, or a name that ends in .safetensors or .safetensors.index.json.
[[nodiscard]] bool is_safetensors(const std::filesystem::path& path);

/// @throws ringworld::Error (bad_input, collective) naming the file that is missing or damaged and what is wrong with
/// it.
[[nodiscard]] std::unique_ptr<TensorSource> open_safetensors(const Communicator& communicator,
                                                             const std::filesystem::path& path);

}  // namespace ringworld
