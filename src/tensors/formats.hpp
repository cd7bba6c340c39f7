#pragma once
/// @file  The interface of a weight format: it recognises files of its format and opens them. formats.cpp
/// lists them.

#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include "tensors/tensor_source.hpp"

namespace ringworld {

struct WeightFormat {
  std::string_view name;
  /// Whether the path is one of this format: by its name, or by what it starts with. Called on the root.
  bool (*is_it)(const std::filesystem::path& path);
  /// Collective over the communicator.
  std::unique_ptr<TensorSource> (*open)(const Communicator& communicator, const std::filesystem::path& path);
};

/// In the order in which they are tried; the last one accepts any remaining file and reports what is wrong with it.
[[nodiscard]] std::span<const WeightFormat> weight_formats();

}  // namespace ringworld
