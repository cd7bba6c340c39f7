#include "tensors/weight_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <system_error>

#include "core/error.hpp"
#include "tensors/json_text.hpp"

namespace ringworld {

namespace fs = std::filesystem;

void refuse_weights(const fs::path& path, std::string_view why) {
  throw Error(ErrorKind::bad_input, fmt::format("cannot read '{}': {}", path.string(), why));
}

namespace {

/// The first bytes of a file.
std::string read_start(const fs::path& path, std::int64_t count) {
  std::ifstream stream(path, std::ios::binary);
  std::string content(static_cast<std::size_t>(count), '\0');
  stream.read(content.data(), count);
  content.resize(static_cast<std::size_t>(stream.gcount()));
  return content;
}

}  // namespace

std::int64_t size_of_weights_file(const fs::path& path) {
  std::error_code failed;
  if (!fs::exists(path, failed)) {
    refuse_weights(path, "there is no such file");
  }
  if (!fs::is_regular_file(path, failed)) {
    refuse_weights(path, "it is not a file");
  }
  const auto size = fs::file_size(path, failed);
  if (failed) {
    refuse_weights(path, failed.message());
  }
  return static_cast<std::int64_t>(size);
}

std::string read_weights_text(const fs::path& path) {
  const std::int64_t size = size_of_weights_file(path);
  std::string text = read_start(path, size);
  if (std::ssize(text) != size) {
    refuse_weights(path, "it cannot be read");
  }
  return text;
}

ShardHeader ShardHeader::read(const fs::path& path) {
  const std::int64_t size = size_of_weights_file(path);
  try {
    const std::int64_t length = safetensors_header_bytes(read_start(path, safetensors_prefix_bytes), size);
    return {.path = path,
            .text = read_start(path, safetensors_prefix_bytes + length).substr(safetensors_prefix_bytes),
            .file_bytes = size};
  } catch (const Error& error) {
    refuse_weights(path, error.what());
  }
}

Shard ShardHeader::parse() const {
  try {
    return {.path = path, .header = parse_safetensors_header(text, file_bytes)};
  } catch (const Error& error) {
    refuse_weights(path, error.what());
  }
}

WeightFiles WeightFiles::at(const fs::path& path) {
  WeightFiles files;
  std::error_code ignored;
  const bool is_folder = fs::is_directory(path, ignored);
  const fs::path folder = is_folder ? path : path.parent_path();
  if (fs::exists(folder / "config.json", ignored)) {
    files.config = folder / "config.json";
  } else if (is_folder) {
    refuse_weights(path, "the folder has no config.json");
  }
  if (!is_folder) {
    (path.string().ends_with(safetensors_index_ending) ? files.index : files.shards.emplace_back()) = path;
  } else if (fs::exists(folder / "model.safetensors.index.json", ignored)) {
    files.index = folder / "model.safetensors.index.json";
  } else if (fs::exists(folder / "model.safetensors", ignored)) {
    files.shards.push_back(folder / "model.safetensors");
  } else if (fs::exists(folder / "diffusion_pytorch_model.safetensors", ignored)) {
    files.shards.push_back(folder / "diffusion_pytorch_model.safetensors");  // as diffusers names it
  } else {
    refuse_weights(path, "the folder has neither model.safetensors nor model.safetensors.index.json");
  }
  if (!files.index.empty()) {
    files.read_index(folder);
  }
  return files;
}

void WeightFiles::read_index(const fs::path& folder) {
  const auto parsed = parse_json_object(read_weights_text(index), fmt::format("'{}'", index.string()));
  const auto map = parsed.find("weight_map");
  if (map == parsed.end() || !map->is_object() || map->empty()) {
    refuse_weights(index, "it has no weight_map");
  }
  for (const auto& [name, shard] : map->items()) {
    const std::string file = shard.is_string() ? shard.get<std::string>() : std::string();
    if (file.empty() || fs::path(file).filename() != file || file == "..") {
      refuse_weights(index, fmt::format("tensor '{}' is in '{}', which is no name of a file beside it", name, file));
    }
    shard_of[name] = file;
    if (std::ranges::find(shards, folder / file) == shards.end()) {
      shards.push_back(folder / file);
    }
  }
}

}  // namespace ringworld
