#include "tensors/safetensors_source.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <numeric>
#include <utility>

#include "core/activity.hpp"
#include "core/error.hpp"
#include "tensors/file_part.hpp"
#include "tensors/hugging_face_config.hpp"
#include "tensors/safetensors_header.hpp"
#include "tensors/stored_numbers.hpp"
#include "tensors/weight_files.hpp"

namespace ringworld {

namespace fs = std::filesystem;

namespace {

class SafetensorsSource final : public TensorSource {
 public:
  SafetensorsSource(const Communicator& communicator, const fs::path& path) : TensorSource(communicator, path) {
    std::vector<ShardHeader> headers;
    std::string config;
    std::string config_path;
    on_root(communicator, [&] {
      const WeightFiles files = WeightFiles::at(path);
      config_path = files.config.string();
      config = files.config.empty() ? std::string() : read_weights_text(files.config);
      std::ranges::transform(files.shards, std::back_inserter(headers), ShardHeader::read);
      std::vector<Shard> shards;
      std::ranges::transform(headers, std::back_inserter(shards), &ShardHeader::parse);
      take(shards);
      require_agreement(files);
    });
    const auto share = [&](std::string& text) { text = communicator.broadcast(std::move(text), 0); };
    auto count = static_cast<std::int64_t>(headers.size());
    communicator.broadcast(std::as_writable_bytes(std::span(&count, 1)), 0);
    headers.resize(static_cast<std::size_t>(count));
    for (ShardHeader& header : headers) {
      std::string name = header.path.string();
      share(name);
      header.path = name;
      share(header.text);
      communicator.broadcast(std::as_writable_bytes(std::span(&header.file_bytes, 1)), 0);
    }
    share(config_path);
    share(config);
    on_every_rank(communicator, [&] {
      std::vector<Shard> shards;
      std::ranges::transform(headers, std::back_inserter(shards), &ShardHeader::parse);
      take(shards);
      if (!config_path.empty()) {
        attributes_ = attributes_of_config(config, fmt::format("'{}'", config_path));
      }
    });
  }

  [[nodiscard]] bool has(const std::string& name) const override { return tensors_.contains(name); }

  [[nodiscard]] TensorInfo describe(const std::string& name) const override {
    const Place& place = place_of(name);
    const bool is_bfloat16 = place.entry.type == SafetensorsType::bfloat16;
    return {
        .shape = place.entry.shape,
        .type = {.kind = is_bfloat16 ? ElementKind::bfloat16 : ElementKind::floating, .name = place.entry.type_name}};
  }

  void read(const std::string& name, const TensorRange& range, std::span<float> values) const override {
    const Phase phase = Phase::named(fmt::format("reading {}", name));
    require(std::ssize(values) == range.size(), "as many values as the range has elements");
    require_tensor(name, range.shape);
    on_every_rank(communicator(), [&] { read_boxes(place_of(name), name, range, values); });
  }

  [[nodiscard]] std::optional<AttributeValue> attribute(const std::string& name) const override {
    const auto found = attributes_.find(name);
    return found == attributes_.end() ? std::nullopt : found->second;
  }

  [[nodiscard]] std::vector<std::string> names() const override { return keys_of(tensors_); }
  [[nodiscard]] std::vector<std::string> attribute_names() const override { return keys_of(attributes_); }

 protected:
  [[nodiscard]] std::string label_of(const std::string& name) const override {
    const auto place = tensors_.find(name);
    return fmt::format("tensor '{}' of '{}'", name, (place == tensors_.end() ? path() : place->second.file).string());
  }

 private:
  struct Place {
    fs::path file;
    SafetensorsEntry entry;
  };

  template <class Map>
  static std::vector<std::string> keys_of(const Map& map) {
    std::vector<std::string> keys;
    std::ranges::transform(map, std::back_inserter(keys), [](const auto& item) { return item.first; });
    return keys;
  }

  void take(const std::vector<Shard>& shards) {
    tensors_.clear();
    for (const Shard& shard : shards) {
      for (const auto& [name, entry] : shard.header) {
        const auto [place, is_new] = tensors_.try_emplace(name, Place{.file = shard.path, .entry = entry});
        if (!is_new) {
          refuse_weights(shard.path,
                         fmt::format("tensor '{}' is in '{}' too", name, place->second.file.filename().string()));
        }
      }
    }
  }

  void require_agreement(const WeightFiles& files) const {
    for (const auto& [name, shard] : files.shard_of) {
      const auto place = tensors_.find(name);
      if (place == tensors_.end() || place->second.file.filename() != shard) {
        refuse_weights(files.index, fmt::format("'{}' has no tensor '{}'", shard, name));
      }
    }
    for (const auto& [name, place] : tensors_) {
      if (!files.index.empty() && !files.shard_of.contains(name)) {
        refuse_weights(files.index,
                       fmt::format("it does not name tensor '{}' of '{}'", name, place.file.filename().string()));
      }
    }
  }

  [[nodiscard]] const Place& place_of(const std::string& name) const {
    const auto place = tensors_.find(name);
    if (place == tensors_.end()) {
      throw Error(ErrorKind::bad_input, fmt::format("'{}' has no tensor '{}'", path().string(), name)).as_collective();
    }
    if (place->second.entry.type == SafetensorsType::other) {
      throw Error(ErrorKind::bad_input, fmt::format("{} holds {}, where F16, BF16, F32 or F64 is expected",
                                                    label_of(name), place->second.entry.type_name))
          .as_collective();
    }
    return place->second;
  }

  void read_boxes(const Place& place, const std::string& name, const TensorRange& range,
                  std::span<float> values) const {
    const Descriptor file = open_weights_file(place.file);
    const SafetensorsEntry& entry = place.entry;
    const std::int64_t columns = range.shape.size() == 2 ? range.shape[1] : 1;
    const std::int64_t elements = std::max<std::int64_t>(
        std::accumulate(range.shape.begin(), range.shape.end(), std::int64_t{1}, std::multiplies<>()), 1);
    const std::int64_t element_bytes = (entry.end - entry.begin) / elements;
    for (const TensorBox& box : boxes_of(range)) {
      const bool is_dense = box.columns == columns;
      const std::int64_t runs = is_dense ? 1 : box.rows;
      const std::int64_t run = is_dense ? box.rows * box.columns : box.columns;
      for (std::int64_t row = 0; row < runs; ++row) {
        const std::int64_t first = (box.row + row) * columns + box.column;
        const auto part = values.first(static_cast<std::size_t>(run));
        read_run(file, entry, entry.begin + first * element_bytes, element_bytes, part, label_of(name));
        values = values.subspan(part.size());
      }
    }
  }

  /// Elements that stand side by side, by blocks that fit a cache.
  static void read_run(const Descriptor& file, const SafetensorsEntry& entry, std::int64_t place,
                       std::int64_t element_bytes, std::span<float> values, const std::string& label) {
    constexpr std::int64_t block_elements = std::int64_t{1} << 16;
    std::vector<std::byte> block;
    while (!values.empty()) {
      note_progress();
      const auto part = values.first(static_cast<std::size_t>(std::min(block_elements, std::ssize(values))));
      block.resize(part.size() * static_cast<std::size_t>(element_bytes));
      read_part(file, place, block, label);
      place += std::ssize(block);
      convert_to_float(entry.type, block, part);
      values = values.subspan(part.size());
    }
  }

  std::map<std::string, Place> tensors_;
  AttributeMap attributes_;
};

}  // namespace

bool is_safetensors(const fs::path& path) {
  std::error_code ignored;
  const std::string name = path.string();
  return fs::is_directory(path, ignored) || name.ends_with(safetensors_ending) ||
         name.ends_with(safetensors_index_ending);
}

std::unique_ptr<TensorSource> open_safetensors(const Communicator& communicator, const fs::path& path) {
  return std::make_unique<SafetensorsSource>(communicator, path);
}

std::vector<std::string> files_of_weights(const std::string& path) {
  if (!is_safetensors(path)) {
    return {path};
  }
  try {
    const WeightFiles files = WeightFiles::at(path);
    std::vector<std::string> names;
    for (const fs::path& file : {files.config, files.index}) {
      if (!file.empty()) {
        names.push_back(file.string());
      }
    }
    std::ranges::transform(files.shards, std::back_inserter(names), [](const fs::path& file) { return file.string(); });
    return names;
  } catch (const Error&) {
    return {};  // what is wrong is said when it is opened
  }
}

}  // namespace ringworld
