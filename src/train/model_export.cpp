#include "train/model_export.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "comm/agreement.hpp"
#include "core/error.hpp"
#include "io/checkpoint.hpp"
#include "io/pending_file.hpp"
#include "model/parameter_layout.hpp"
#include "tensors/safetensors_writer.hpp"

namespace ringworld {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t piece_elements = 16LL << 20;

/// Calls `function(tensor)` for every tensor of the model, whole.
template <class Function>
void for_each_whole_tensor(const ParameterLayout& layout, Function&& function) {
  for (const UnitLayout& unit : layout.units()) {
    std::ranges::for_each(unit.tensors, function);
  }
}

bool is_rotated(std::string_view name) {
  return name.find(".q_proj.") != std::string_view::npos || name.find(".k_proj.") != std::string_view::npos;
}

/// Rows of whole heads, neighbours that turn together, to the order of Hugging Face: first of every pair, then second.
void split_pairs(std::span<float> rows, std::int64_t row_elements, std::int64_t head_size) {
  const auto head_elements = static_cast<std::size_t>(head_size * row_elements);
  std::vector<float> head(head_elements);
  for (std::size_t begin = 0; begin < rows.size(); begin += head_elements) {
    const std::span<float> whole = rows.subspan(begin, head_elements);
    for (std::int64_t row = 0; row < head_size; ++row) {
      const std::int64_t from = row < head_size / 2 ? 2 * row : 2 * (row - head_size / 2) + 1;
      std::ranges::copy(
          whole.subspan(static_cast<std::size_t>(from * row_elements), static_cast<std::size_t>(row_elements)),
          head.begin() + row * row_elements);
    }
    std::ranges::copy(head, whole.begin());
  }
}

Json scaling_of(const RopeScaling& scaling) {
  Json keys{{"rope_type", rope_scaling_names[static_cast<std::size_t>(scaling.kind)]}, {"factor", scaling.factor}};
  if (scaling.kind == RopeScalingKind::llama3) {
    keys["low_freq_factor"] = scaling.low_frequency_factor;
    keys["high_freq_factor"] = scaling.high_frequency_factor;
  }
  if (scaling.kind == RopeScalingKind::yarn) {
    keys["beta_fast"] = scaling.beta_fast;
    keys["beta_slow"] = scaling.beta_slow;
    keys["attention_factor"] = scaling.attention_factor;
  }
  if (scaling.kind != RopeScalingKind::linear) {
    keys["original_max_position_embeddings"] = static_cast<std::int64_t>(scaling.original_context);
  }
  return keys;
}

std::string config_text(const ModelConfig& config, std::int64_t context_length, DType dtype) {
  const bool is_qwen2 = config.has_attention_bias;
  Json keys{{"architectures", {is_qwen2 ? "Qwen2ForCausalLM" : "LlamaForCausalLM"}},
            {"model_type", is_qwen2 ? "qwen2" : "llama"},
            {"hidden_act", "silu"},
            {"hidden_size", config.hidden_size},
            {"intermediate_size", config.ffn_size},
            {"num_hidden_layers", config.layers},
            {"num_attention_heads", config.heads},
            {"num_key_value_heads", config.kv_heads},
            {"head_dim", config.head_size},
            {"vocab_size", config.vocabulary.size()},
            {"max_position_embeddings", context_length},
            {"rms_norm_eps", config.rms_norm_eps},
            {"rope_theta", config.rope_theta},
            {"tie_word_embeddings", config.is_head_tied},
            {"attention_bias", config.has_attention_bias},
            {"initializer_range", config.initializer_range},
            {"torch_dtype", name_of(dtype)}};
  if (config.rope_scaling.kind != RopeScalingKind::none) {
    keys["rope_scaling"] = scaling_of(config.rope_scaling);
  }
  return keys.dump(2) + "\n";
}

}  // namespace

void export_hugging_face(const TensorSource& source, const ModelConfig& config, std::int64_t context_length,
                         const std::filesystem::path& folder, DType dtype) {
  const Communicator& world = source.communicator();
  const ParameterLayout layout(config, 1, 0);
  std::optional<SafetensorsWriter> writer;
  on_root(world, [&] {
    require_input(config.vocabulary.parts().size() == 1,
                  fmt::format("'{}': the vocabulary has the parts {}, and a model of Hugging Face's has one; give "
                              "--output a name that ends in .h5",
                              source.path().string(), config.vocabulary.to_text()));
    std::error_code failed;
    std::filesystem::create_directories(folder, failed);
    require_input(!failed, fmt::format("cannot make the folder '{}': {}", folder.string(), failed.message()));
    std::vector<PlannedTensor> tensors;
    for_each_whole_tensor(layout, [&](const TensorLayout& tensor) {
      tensors.push_back({.name = tensor.name, .shape = tensor.global_shape});
    });
    writer.emplace(folder / "model.safetensors", tensors, dtype);
  });
  const bool splits_pairs = config.rope_pairing == RopePairing::interleaved;
  std::vector<float> piece;
  for_each_whole_tensor(layout, [&](const TensorLayout& tensor) {
    const std::int64_t rows = tensor.global_shape.front();
    const std::int64_t row_elements = tensor.global_elements() / rows;
    const bool is_split = splits_pairs && is_rotated(tensor.name);
    const std::int64_t unit = is_split ? config.head_size : 1;
    const std::int64_t rows_of_piece = std::max<std::int64_t>(1, piece_elements / (unit * row_elements)) * unit;
    for (std::int64_t row = 0; row < rows; row += rows_of_piece) {
      TensorRange range{.shape = tensor.global_shape};
      if (world.is_root()) {
        range.begin = row * row_elements;
        range.end = std::min(rows, row + rows_of_piece) * row_elements;
      }
      piece.resize(static_cast<std::size_t>(range.size()));
      source.read(tensor.name, range, piece);
      on_root(world, [&] {
        if (is_split) {
          split_pairs(piece, row_elements, config.head_size);
        }
        writer->write(tensor.name, range.begin, piece);
      });
    }
  });
  on_root(world, [&] {
    PendingFile keys(folder / "config.json");
    const std::string text = config_text(config, context_length, dtype);
    keys.write(std::as_bytes(std::span(text)));
    writer->publish();
    keys.publish();
  });
}

void export_checkpoint(const TensorSource& source, const ModelConfig& config, const std::filesystem::path& file) {
  const Communicator& world = source.communicator();
  const ParameterLayout layout(config, 1, 0);
  CheckpointWriter writer(world, file);
  for (const std::string& name : source.attribute_names()) {
    if (const auto value = source.attribute(name); value.has_value()) {
      writer.set_attribute(name, *value);
    }
  }
  std::vector<float> part;
  for_each_whole_tensor(layout, [&](const TensorLayout& tensor) {
    const std::int64_t elements = tensor.global_elements();
    TensorRange range{.shape = tensor.global_shape};
    range.begin = elements * world.rank() / world.size();
    range.end = elements * (world.rank() + 1) / world.size();
    part.resize(static_cast<std::size_t>(range.size()));
    source.read(tensor.name, range, part);
    writer.write(tensor.name, range, part);
  });
  writer.publish();
}

}  // namespace ringworld
