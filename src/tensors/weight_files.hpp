#pragma once
/// @file  Which safetensors files make up the weights at a path, and what their headers say. Errors name the file.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tensors/safetensors_header.hpp"

namespace ringworld {

inline constexpr std::string_view safetensors_ending = ".safetensors";
inline constexpr std::string_view safetensors_index_ending = ".safetensors.index.json";

/// Throws Error (bad_input): "cannot read '<path>': <why>".
[[noreturn]] void refuse_weights(const std::filesystem::path& path, std::string_view why);

/// @throws ringworld::Error (bad_input) when there is no file, or something else.
[[nodiscard]] std::int64_t size_of_weights_file(const std::filesystem::path& path);

/// A whole file. @throws ringworld::Error (bad_input) when it cannot be read.
[[nodiscard]] std::string read_weights_text(const std::filesystem::path& path);

/// What one file holds.
struct Shard {
  std::filesystem::path path;
  SafetensorsHeader header;
};

/// The header of one file, for all ranks.
struct ShardHeader {
  std::filesystem::path path;
  std::string text;
  std::int64_t file_bytes = 0;

  /// @throws ringworld::Error (bad_input) when the file is missing, or too short for its header.
  [[nodiscard]] static ShardHeader read(const std::filesystem::path& path);
  /// @throws ringworld::Error (bad_input) as parse_safetensors_header
  [[nodiscard]] Shard parse() const;
};

struct WeightFiles {
  std::filesystem::path config;  ///< empty: there is none
  std::filesystem::path index;   ///< empty: there is one file
  std::vector<std::filesystem::path> shards;
  std::map<std::string, std::string> shard_of;  ///< what the index says: the file's name of each tensor

  /// @param path  a folder, a safetensors file or an index
  /// @throws ringworld::Error (bad_input) when the folder lacks config.json or weights, or the index is none.
  [[nodiscard]] static WeightFiles at(const std::filesystem::path& path);

 private:
  void read_index(const std::filesystem::path& folder);
};

}  // namespace ringworld
