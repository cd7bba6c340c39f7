#include "experiments/score/hugging_face_checkpoint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/error.hpp"
#include "core/spelling.hpp"

namespace ringworld {
namespace {

/// Typed attributes of one file.
class Attributes {
 public:
  explicit Attributes(const TensorReader& file) : file_(file) {}

  [[nodiscard]] std::int64_t integer(const std::string& name) const { return typed<std::int64_t>(name, "an integer"); }

  /// h5py keeps a whole number as an integer.
  [[nodiscard]] double number(const std::string& name) const {
    const AttributeValue value = required(name);
    if (const auto* whole = std::get_if<std::int64_t>(&value)) {
      return static_cast<double>(*whole);
    }
    return typed<double>(name, "a number");
  }

  /// numpy's and Python's booleans, and 0 or 1.
  [[nodiscard]] bool boolean(const std::string& name) const {
    const AttributeValue value = required(name);
    if (const auto* whole = std::get_if<std::int64_t>(&value)) {
      return *whole != 0;
    }
    return typed<bool>(name, "a boolean");
  }

  [[nodiscard]] std::string text(const std::string& name) const { return typed<std::string>(name, "text"); }
  [[nodiscard]] bool has(const std::string& name) const { return file_.attribute(name).has_value(); }

 private:
  [[nodiscard]] AttributeValue required(const std::string& name) const {
    const auto value = file_.attribute(name);
    require_input(value.has_value(),
                  fmt::format("'{}' has no attribute '{}', which a checkpoint needs", file_.path().string(), name));
    return *value;
  }
  template <class T>
  [[nodiscard]] T typed(const std::string& name, std::string_view expected) const {
    const AttributeValue value = required(name);
    require_input(std::holds_alternative<T>(value),
                  fmt::format("attribute '{}' of '{}' is not {}", name, file_.path().string(), expected));
    return std::get<T>(value);
  }

  const TensorReader& file_;
};

RopePairing parse_pairing(const std::string& name) {
  const auto* const found = std::ranges::find(rope_pairing_names, name);
  if (found == rope_pairing_names.end()) {
    throw_unknown_name("rope_pairing", name, rope_pairing_names);
  }
  return static_cast<RopePairing>(found - rope_pairing_names.begin());
}

AnglePrecision parse_precision(const std::string& name) {
  constexpr std::array<std::string_view, 2> known{"float32", "float64"};
  const auto* const found = std::ranges::find(known, name);
  if (found == known.end()) {
    throw_unknown_name("rope_precision", name, known);
  }
  return static_cast<AnglePrecision>(found - known.begin());
}

/// Reads elements [begin, end) of the flat local tensor, which is a column range of whole rows of the dataset: a part of
/// a row, whole rows, and a part of a row.
void read_range(const TensorReader& file, const TensorLayout& tensor, std::int64_t begin, std::int64_t end,
                std::span<float> values) {
  const std::vector<std::int64_t> shape = tensor.local_shape();
  const bool is_matrix = shape.size() == 2;
  const std::int64_t columns = is_matrix ? shape[1] : shape[0];
  const std::int64_t first_row = tensor.slice.axis == 0 && is_matrix ? tensor.slice.begin : 0;
  const bool is_cut_along_columns = tensor.slice.axis == (is_matrix ? 1 : 0);
  const std::int64_t first_column = is_cut_along_columns ? tensor.slice.begin : 0;

  for (std::int64_t at = begin; at < end;) {
    const std::int64_t row = at / columns;
    const std::int64_t column = at % columns;
    const bool is_whole = column == 0 && end - at >= columns;
    const std::int64_t rows = is_whole ? (end - at) / columns : 1;
    const std::int64_t width = is_whole ? columns : std::min(columns - column, end - at);
    Hyperslab slab{.start = {first_column + column}, .count = {width}};
    if (is_matrix) {
      slab.start.insert(slab.start.begin(), first_row + row);
      slab.count.insert(slab.count.begin(), rows);
    }
    const std::int64_t count = rows * width;
    file.read(tensor.name, slab, values.subspan(static_cast<std::size_t>(at - begin), static_cast<std::size_t>(count)));
    at += count;
  }
}

}  // namespace

ModelConfig read_model_config(const TensorReader& file) {
  const Attributes attributes(file);
  ModelConfig config;
  config.hidden_size = attributes.integer("hidden_size");
  config.ffn_size = attributes.integer("intermediate_size");
  config.layers = attributes.integer("num_hidden_layers");
  config.heads = attributes.integer("num_attention_heads");
  config.kv_heads = attributes.integer("num_key_value_heads");
  config.vocab_size = attributes.integer("vocab_size");
  config.rms_norm_eps = attributes.number("rms_norm_eps");
  config.rope_theta = attributes.number("rope_theta");
  config.is_head_tied = attributes.boolean("tie_word_embeddings");
  config.has_attention_bias = attributes.boolean("attention_bias");
  config.rope_pairing = parse_pairing(attributes.text("rope_pairing"));
  if (attributes.has("rope_precision")) {
    config.rope_precision = parse_precision(attributes.text("rope_precision"));
  }
  if (attributes.has("head_dim")) {
    config.head_size = attributes.integer("head_dim");
  } else {
    require_input(config.heads > 0 && config.hidden_size % config.heads == 0,
                  fmt::format("'{}': hidden_size {} does not divide by num_attention_heads {}; give head_dim",
                              file.path().string(), config.hidden_size, config.heads));
    config.head_size = config.hidden_size / config.heads;
  }
  validate(config);
  return config;
}

void read_parameters(const TensorReader& file, ShardedParameters& parameters) {
  // Hugging Face's attention_bias means this one as well; a bias left out in silence would be a wrong result.
  const std::string foreign = "model.layers.0.self_attn.o_proj.bias";
  require_input(!file.has(foreign), fmt::format("'{}' has '{}'; the model has biases of queries, keys and values only",
                                                file.path().string(), foreign));
  for (const UnitLayout& unit : parameters.layout().units()) {
    for (const TensorLayout& tensor : unit.tensors) {
      file.require_shape(tensor.name, tensor.global_shape);
    }
  }
  for (const ParameterPiece& piece : parameters.pieces()) {
    read_range(file, *piece.tensor, piece.begin, piece.end, piece.parameter);
  }
  parameters.forget_gathered();
}

}  // namespace ringworld
