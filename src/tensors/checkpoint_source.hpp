#pragma once
/// @file  Weights from our own checkpoint, or any HDF5 file of its form.

#include <filesystem>
#include <memory>

#include "tensors/tensor_source.hpp"

namespace ringworld {

/// Accepts any file that no other format accepts; an invalid file is reported when it is opened.
[[nodiscard]] bool is_checkpoint(const std::filesystem::path& path);

[[nodiscard]] std::unique_ptr<TensorSource> open_checkpoint(const Communicator& communicator,
                                                            const std::filesystem::path& path);

}  // namespace ringworld
