#include "train/model_export.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "comm/agreement.hpp"
#include "comm/stop_agreement.hpp"
#include "core/error.hpp"
#include "io/checkpoint.hpp"
#include "io/pending_file.hpp"
#include "model/parameter_layout.hpp"
#include "tensors/safetensors_writer.hpp"

namespace ringworld {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t piece_elements = 16LL << 20;

/// All tensors of a model, whole.
std::vector<const TensorLayout*> tensors_of(const ParameterLayout& layout) {
  std::vector<const TensorLayout*> tensors;
  for (const UnitLayout& unit : layout.units()) {
    for (const TensorLayout& tensor : unit.tensors) {
      tensors.push_back(&tensor);
    }
  }
  return tensors;
}

bool is_rotated(std::string_view name) {
  constexpr std::array<std::string_view, 4> modules{".q_proj.", ".k_proj.", ".q_norm.", ".k_norm."};
  return std::ranges::any_of(modules, [&](std::string_view module) { return name.find(module) != std::string::npos; });
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

/// @param context_length  the longest that the model was made for
Json scaling_of(const RopeScaling& scaling, std::int64_t context_length) {
  if (scaling.kind == RopeScalingKind::per_pair) {  // the same factors in short sequences and in long ones
    return {{"rope_type", "longrope"},
            {"short_factor", scaling.pair_factors},
            {"long_factor", scaling.pair_factors},
            {"factor", 1.0},
            {"attention_factor", 1.0},
            {"original_max_position_embeddings", context_length}};
  }
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
  if (scaling.kind == RopeScalingKind::llama3 || scaling.kind == RopeScalingKind::yarn) {
    keys["original_max_position_embeddings"] = static_cast<std::int64_t>(scaling.original_context);
  }
  return keys;
}

struct ModelClass {
  std::string_view type;
  std::string_view program;
};

/// The class of Hugging Face's that computes what the model does.
ModelClass class_of(const ModelConfig& config) {
  if (config.has_query_key_norm) {
    return {.type = "qwen3", .program = "Qwen3ForCausalLM"};
  }
  if (config.has_attention_bias) {
    return {.type = "qwen2", .program = "Qwen2ForCausalLM"};
  }
  return config.sliding_window > 0 ? ModelClass{.type = "mistral", .program = "MistralForCausalLM"}
                                   : ModelClass{.type = "llama", .program = "LlamaForCausalLM"};
}

/// Qwen's classes want to be told more of a window: where the source leaves it open, that every layer has it.
void add_window(const TensorSource& source, const ModelConfig& config, Json& keys) {
  keys["sliding_window"] = config.sliding_window;
  if (keys["model_type"] == "mistral") {
    return;
  }
  keys["use_sliding_window"] = true;
  const auto layers = source.attribute("max_window_layers");
  keys["max_window_layers"] = layers.has_value() ? as_integer(*layers).value_or(0) : 0;
  const auto types = source.attribute("layer_types");
  if (const auto* const list = types ? std::get_if<std::vector<std::string>>(&*types) : nullptr; list != nullptr) {
    keys["layer_types"] = *list;
  }
}

std::string config_text(const TensorSource& source, const ModelConfig& config, std::int64_t context_length,
                        DType dtype) {
  const ModelClass model = class_of(config);
  if (config.rope_scaling.kind == RopeScalingKind::dynamic) {
    // What transformers stretches from, whatever the model was trained on since.
    context_length = static_cast<std::int64_t>(config.rope_scaling.original_context);
  }
  Json keys{{"architectures", {model.program}},
            {"model_type", model.type},
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
    keys["rope_scaling"] = scaling_of(config.rope_scaling, context_length);
  }
  if (config.sliding_window > 0) {
    add_window(source, config, keys);
  }
  return keys.dump(2) + "\n";
}

}  // namespace

bool export_hugging_face(const TensorSource& source, const ModelConfig& config, std::int64_t context_length,
                         const std::filesystem::path& folder, DType dtype) {
  const Communicator& world = source.communicator();
  const ParameterLayout layout(config, 1, 0);
  std::optional<SafetensorsWriter> writer;
  on_root(world, [&] {
    require_input(config.vocabulary.parts().size() == 1,
                  fmt::format("'{}': the vocabulary has the parts {}, and a model of Hugging Face's has one; give "
                              "--output a name that ends in .h5",
                              source.path().string(), config.vocabulary.to_text()));
    require_input(!(config.has_query_key_norm && config.has_attention_bias),
                  fmt::format("'{}': queries and keys have biases and norms, which no model of Hugging Face's has "
                              "without a bias of the output; give --output a name that ends in .h5",
                              source.path().string()));
    std::error_code failed;
    std::filesystem::create_directories(folder, failed);
    require_input(!failed, fmt::format("cannot make the folder '{}': {}", folder.string(), failed.message()));
    std::vector<PlannedTensor> tensors;
    for (const TensorLayout* tensor : tensors_of(layout)) {
      tensors.push_back({.name = tensor->name, .shape = tensor->global_shape});
    }
    writer.emplace(folder / "model.safetensors", tensors, dtype);
  });
  const bool splits_pairs = config.rope_pairing == RopePairing::interleaved;
  std::vector<float> piece;
  for (const TensorLayout* planned : tensors_of(layout)) {
    const TensorLayout& tensor = *planned;
    const std::int64_t rows = tensor.global_shape.front();
    const std::int64_t row_elements = tensor.global_elements() / rows;
    const bool is_split = splits_pairs && is_rotated(tensor.name);
    const std::int64_t unit = is_split ? config.head_size : 1;
    const std::int64_t rows_of_piece = std::max<std::int64_t>(1, piece_elements / (unit * row_elements)) * unit;
    for (std::int64_t row = 0; row < rows; row += rows_of_piece) {
      if (is_stop_wanted(world)) {
        return false;
      }
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
  }
  on_root(world, [&] {
    PendingFile keys(folder / "config.json");
    const std::string text = config_text(source, config, context_length, dtype);
    keys.write(std::as_bytes(std::span(text)));
    writer->publish();
    keys.publish();
  });
  return true;
}

bool export_checkpoint(const TensorSource& source, const ModelConfig& config, const std::filesystem::path& file) {
  const Communicator& world = source.communicator();
  const ParameterLayout layout(config, 1, 0);
  CheckpointWriter writer(world, file);
  for (const std::string& name : source.attribute_names()) {
    if (const auto value = source.attribute(name); value.has_value()) {
      writer.set_attribute(name, *value);
    }
  }
  std::vector<float> part;
  for (const TensorLayout* tensor : tensors_of(layout)) {
    if (is_stop_wanted(world)) {
      return false;
    }
    const std::int64_t elements = tensor->global_elements();
    TensorRange range{.shape = tensor->global_shape};
    range.begin = elements * world.rank() / world.size();
    range.end = elements * (world.rank() + 1) / world.size();
    part.resize(static_cast<std::size_t>(range.size()));
    source.read(tensor->name, range, part);
    writer.write(tensor->name, range, part);
  }
  writer.publish();
  return true;
}

}  // namespace ringworld
