#include "tensors/gguf_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <sstream>
#include <system_error>
#include <utility>

#include "core/activity.hpp"
#include "core/error.hpp"
#include "tensors/file_part.hpp"
#include "tensors/gguf_blocks.hpp"
#include "tensors/gguf_header.hpp"
#include "tensors/gguf_model.hpp"
#include "tensors/weight_files.hpp"

namespace ringworld {

namespace fs = std::filesystem;

namespace {

class GgufSource final : public TensorSource {
 public:
  GgufSource(const Communicator& communicator, const fs::path& path) : TensorSource(communicator, path) {
    std::string text;
    std::int64_t file_bytes = 0;
    on_root(communicator, [&] {
      file_bytes = size_of_weights_file(path);
      std::ifstream file(path, std::ios::binary);
      const std::int64_t header_bytes = parse(file, file_bytes).bytes;
      text.resize(static_cast<std::size_t>(header_bytes));
      file.clear();
      file.seekg(0);
      file.read(text.data(), header_bytes);
    });
    text = communicator.broadcast(std::move(text), 0);
    communicator.broadcast(std::as_writable_bytes(std::span(&file_bytes, 1)), 0);
    on_every_rank(communicator, [&] {
      std::istringstream header(text);
      take(parse(header, file_bytes));
      take_rope_factors();
    });
  }

  [[nodiscard]] bool has(const std::string& name) const override { return tensors_.contains(name); }

  [[nodiscard]] TensorInfo describe(const std::string& name) const override {
    const Place& place = place_of(name);
    const std::string type = name_of_gguf_type(place.entry.type);
    return {.shape = place.entry.shape,
            .type = {.kind = type == "BF16" ? ElementKind::bfloat16 : ElementKind::floating, .name = type}};
  }

  void read(const std::string& name, const TensorRange& range, std::span<float> values) const override {
    const Phase phase = Phase::named(fmt::format("reading {}", name));
    require(std::ssize(values) == range.size(), "as many values as the range has elements");
    require_tensor(name, range.shape);
    on_every_rank(communicator(), [&] { read_boxes(place_of(name), range, values, label_of(name)); });
  }

  [[nodiscard]] std::optional<AttributeValue> attribute(const std::string& name) const override {
    const auto found = attributes_.find(name);
    return found == attributes_.end() ? std::nullopt : found->second;
  }

  [[nodiscard]] std::vector<std::string> names() const override { return keys_of(tensors_); }
  [[nodiscard]] std::vector<std::string> attribute_names() const override { return keys_of(attributes_); }

 protected:
  [[nodiscard]] std::string label_of(const std::string& name) const override {
    return fmt::format("tensor '{}' of '{}'", name, path().string());
  }

 private:
  struct Place {
    GgufEntry entry;
    std::int64_t head_size = 0;  ///< of a tensor whose rows are reordered; 0: they are not
  };

  template <class Map>
  static std::vector<std::string> keys_of(const Map& map) {
    std::vector<std::string> keys;
    std::ranges::transform(map, std::back_inserter(keys), [](const auto& item) { return item.first; });
    return keys;
  }

  [[nodiscard]] GgufHeader parse(std::istream& stream, std::int64_t file_bytes) const {
    try {
      return parse_gguf_header(stream, file_bytes);
    } catch (const Error& error) {
      refuse_weights(path(), error.what());
    }
  }

  void take(GgufHeader header) {
    try {
      attributes_ = attributes_of_gguf(header);
      for (auto& [gguf_name, entry] : header.tensors) {
        const std::string name = hugging_face_name(gguf_name);
        if (name == rope_factors_name) {
          rope_factors_ = entry;
          continue;
        }
        Place place;
        if (const std::int64_t heads = reordered_heads(name, header); heads != 0) {
          const std::int64_t rows = entry.shape.front();
          require_input(
              heads > 0 && rows % (2 * heads) == 0,
              fmt::format("tensor '{}' has {} rows, which are not those of {} heads", gguf_name, rows, heads));
          place.head_size = rows / heads;
        }
        place.entry = std::move(entry);
        require_input(tensors_.emplace(name, std::move(place)).second,
                      fmt::format("tensor '{}' stands twice", gguf_name));
      }
    } catch (const Error& error) {
      refuse_weights(path(), error.what());
    }
  }

  /// Reads what divides RoPE's frequencies, a number a pair: a Llama 3.1 has its scaling in this form.
  void take_rope_factors() {
    if (!rope_factors_.has_value()) {
      return;
    }
    const std::string label = label_of(std::string(rope_factors_name));
    constexpr std::int64_t most_pairs = 1 << 16;
    require_input(find_gguf_type(rope_factors_->type) != nullptr && rope_factors_->shape.size() == 1 &&
                      rope_factors_->shape.front() <= most_pairs,
                  fmt::format("{} is not one number a pair of RoPE's", label));
    std::vector<float> factors(static_cast<std::size_t>(rope_factors_->shape.front()));
    read_run(open_weights_file(path()), *rope_factors_, 0, factors, label);
    require_input(!attributes_.contains("rope_scaling_type"),
                  fmt::format("{} scales RoPE's frequencies, and so does the key rope.scaling.type", label));
    attributes_["rope_scaling_type"] = std::string("per_pair");
    attributes_["rope_scaling_pair_factors"] = std::vector<double>(factors.begin(), factors.end());
  }

  [[nodiscard]] const Place& place_of(const std::string& name) const {
    const auto place = tensors_.find(name);
    if (place == tensors_.end()) {
      throw Error(ErrorKind::bad_input, fmt::format("'{}' has no tensor '{}'", path().string(), name)).as_collective();
    }
    if (find_gguf_type(place->second.entry.type) == nullptr) {
      throw Error(ErrorKind::bad_input, fmt::format("{} holds {}, where one of {} is expected", label_of(name),
                                                    name_of_gguf_type(place->second.entry.type), names_of_gguf_types()))
          .as_collective();
    }
    return place->second;
  }

  void read_boxes(const Place& place, const TensorRange& range, std::span<float> values,
                  const std::string& label) const {
    const Descriptor file = open_weights_file(path());
    const std::int64_t columns = range.shape.size() == 2 ? range.shape[1] : 1;
    for (const TensorBox& box : boxes_of(range)) {
      const bool is_dense = box.columns == columns && place.head_size == 0;
      const std::int64_t runs = is_dense ? 1 : box.rows;
      const std::int64_t run = is_dense ? box.rows * box.columns : box.columns;
      for (std::int64_t row = box.row; row < box.row + runs; ++row) {
        const std::int64_t row_in_file = place.head_size == 0 ? row : reordered_row(row, place.head_size);
        const auto part = values.first(static_cast<std::size_t>(run));
        read_run(file, place.entry, row_in_file * columns + box.column, part, label);
        values = values.subspan(part.size());
      }
    }
  }

  /// Elements that stand side by side from `first` on, which may be in the middle of a block. Read by parts that fit a
  /// cache.
  static void read_run(const Descriptor& file, const GgufEntry& entry, std::int64_t first, std::span<float> values,
                       const std::string& label) {
    constexpr std::int64_t part_elements = std::int64_t{1} << 16;
    const GgufType& type = *find_gguf_type(entry.type);
    std::vector<std::byte> bytes;
    std::array<float, 256> block{};
    while (!values.empty()) {
      note_progress();
      const std::int64_t end = std::min(first + std::ssize(values), first + part_elements);
      const std::int64_t first_block = first / type.block_elements;
      const std::int64_t blocks = (end + type.block_elements - 1) / type.block_elements - first_block;
      bytes.resize(static_cast<std::size_t>(blocks * type.block_bytes));
      read_part(file, entry.begin + first_block * type.block_bytes, bytes, label);
      if (type.block_elements == 1) {
        type.to_float(bytes, values.first(static_cast<std::size_t>(blocks)));
        values = values.subspan(static_cast<std::size_t>(blocks));
        first = end;
        continue;
      }
      const auto of_block = std::span(block).first(static_cast<std::size_t>(type.block_elements));
      for (std::int64_t i = 0; i < blocks; ++i) {
        type.to_float(std::span(bytes).subspan(static_cast<std::size_t>(i * type.block_bytes),
                                               static_cast<std::size_t>(type.block_bytes)),
                      of_block);
        const std::int64_t block_begin = (first_block + i) * type.block_elements;
        const std::int64_t wanted_end = std::min(end, block_begin + type.block_elements);
        const auto wanted = of_block.subspan(static_cast<std::size_t>(first - block_begin),
                                             static_cast<std::size_t>(wanted_end - first));
        std::ranges::copy(wanted, values.begin());
        values = values.subspan(wanted.size());
        first = wanted_end;
      }
    }
  }

  static constexpr std::string_view rope_factors_name = "rope_freqs.weight";

  std::map<std::string, Place> tensors_;
  std::optional<GgufEntry> rope_factors_;
  AttributeMap attributes_;
};

}  // namespace

bool is_gguf(const fs::path& path) {
  if (path.extension() == ".gguf") {
    return true;
  }
  std::error_code failed;
  if (!fs::is_regular_file(path, failed)) {
    return false;  // to look into a pipe would wait for whoever writes to it
  }
  std::array<char, 4> start{};
  std::ifstream(path, std::ios::binary).read(start.data(), start.size());
  return std::string_view(start.data(), start.size()) == "GGUF";
}

std::unique_ptr<TensorSource> open_gguf(const Communicator& communicator, const fs::path& path) {
  return std::make_unique<GgufSource>(communicator, path);
}

}  // namespace ringworld
