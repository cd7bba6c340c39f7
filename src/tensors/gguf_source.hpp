#pragma once
/// @file  Weights in a GGUF file. Its numbers become float32 as they are read; each rank reads the blocks that its own
/// ranges touch and no others.

#include <filesystem>
#include <memory>

#include "tensors/tensor_source.hpp"

namespace ringworld {

/// A name that ends in .gguf, or a file that begins as one.
[[nodiscard]] bool is_gguf(const std::filesystem::path& path);

/// @throws ringworld::Error (bad_input, collective) naming the file and what is wrong with it.
[[nodiscard]] std::unique_ptr<TensorSource> open_gguf(const Communicator& communicator,
                                                      const std::filesystem::path& path);

}  // namespace ringworld
