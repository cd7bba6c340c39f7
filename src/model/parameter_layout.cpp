#include "model/parameter_layout.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"

namespace ringworld {
namespace {

std::int64_t product(const std::vector<std::int64_t>& shape) {
  std::int64_t elements = 1;
  for (const std::int64_t extent : shape) {
    elements *= extent;
  }
  return elements;
}

/// Adds the tensors of a unit one after another.
class UnitBuilder {
 public:
  UnitBuilder(std::string prefix, std::int64_t tp_ranks, std::int64_t tp_rank)
      : prefix_(std::move(prefix)), tp_ranks_(tp_ranks), tp_rank_(tp_rank) {}

  void vector(std::string_view name, std::int64_t extent, int axis = TensorSlice::no_axis) {
    add(name, {extent}, axis, false);
  }
  void matrix(std::string_view name, std::int64_t out, std::int64_t in, int axis, bool is_decayed = true) {
    add(name, {out, in}, axis, is_decayed);
  }
  [[nodiscard]] UnitLayout finish() { return std::move(unit_); }

 private:
  void add(std::string_view name, std::vector<std::int64_t> shape, int axis, bool is_decayed) {
    TensorSlice slice;
    if (axis != TensorSlice::no_axis) {
      const std::int64_t extent = shape[static_cast<std::size_t>(axis)];
      const std::int64_t begin = extent * tp_rank_ / tp_ranks_;
      slice = {.axis = axis, .begin = begin, .count = extent * (tp_rank_ + 1) / tp_ranks_ - begin};
    }
    unit_.tensors.push_back({.name = prefix_ + std::string(name),
                             .global_shape = std::move(shape),
                             .slice = slice,
                             .is_decayed = is_decayed,
                             .offset = unit_.elements});
    unit_.elements += unit_.tensors.back().local_elements();
  }

  std::string prefix_;
  std::int64_t tp_ranks_;
  std::int64_t tp_rank_;
  UnitLayout unit_;
};

void require_divisible(std::int64_t value, std::string_view name, std::int64_t tp_ranks) {
  require_input(value % tp_ranks == 0,
                fmt::format("mesh: tp = {} does not divide {} = {}; choose a divisor of it", tp_ranks, name, value));
}

UnitLayout layer_unit_layout(const ModelConfig& config, UnitBuilder builder) {
  const std::int64_t query = config.heads * config.head_size;
  const std::int64_t key_value = config.kv_heads * config.head_size;
  builder.vector("input_layernorm.weight", config.hidden_size);
  builder.matrix("self_attn.q_proj.weight", query, config.hidden_size, 0);
  builder.matrix("self_attn.k_proj.weight", key_value, config.hidden_size, 0);
  builder.matrix("self_attn.v_proj.weight", key_value, config.hidden_size, 0);
  if (config.has_attention_bias) {
    builder.vector("self_attn.q_proj.bias", query, 0);
    builder.vector("self_attn.k_proj.bias", key_value, 0);
    builder.vector("self_attn.v_proj.bias", key_value, 0);
  }
  builder.matrix("self_attn.o_proj.weight", config.hidden_size, query, 1);
  builder.vector("post_attention_layernorm.weight", config.hidden_size);
  builder.matrix("mlp.gate_proj.weight", config.ffn_size, config.hidden_size, 0);
  builder.matrix("mlp.up_proj.weight", config.ffn_size, config.hidden_size, 0);
  builder.matrix("mlp.down_proj.weight", config.hidden_size, config.ffn_size, 1);
  return builder.finish();
}

}  // namespace

std::vector<std::int64_t> TensorLayout::local_shape() const {
  std::vector<std::int64_t> shape = global_shape;
  if (!slice.is_replicated()) {
    shape[static_cast<std::size_t>(slice.axis)] = slice.count;
  }
  return shape;
}

std::int64_t TensorLayout::local_elements() const { return product(local_shape()); }
std::int64_t TensorLayout::global_elements() const { return product(global_shape); }

std::int64_t TensorLayout::global_index(std::int64_t local) const {
  if (slice.is_replicated()) {
    return local;
  }
  if (slice.axis == 0) {
    return slice.begin * (product(global_shape) / global_shape[0]) + local;
  }
  return local / slice.count * global_shape[1] + slice.begin + local % slice.count;
}

std::int64_t TensorLayout::run_length(std::int64_t local) const {
  return slice.axis == 1 ? slice.count - local % slice.count : local_elements() - local;
}

const TensorLayout& UnitLayout::tensor(std::string_view ending) const {
  const auto found =
      std::ranges::find_if(tensors, [&](const TensorLayout& tensor) { return tensor.name.ends_with(ending); });
  require(found != tensors.end(), "parameters: this unit has no tensor of that name");
  return *found;
}

ParameterLayout::ParameterLayout(const ModelConfig& config, std::int64_t tp_ranks, std::int64_t tp_rank)
    : config_(config) {
  validate(config);
  require(tp_ranks > 0 && tp_rank >= 0 && tp_rank < tp_ranks, "parameters: no such tensor-parallel rank");
  require_divisible(config.heads, "heads", tp_ranks);
  require_divisible(config.kv_heads, "kv_heads", tp_ranks);
  require_divisible(config.ffn_size, "ffn_size", tp_ranks);
  require_input(config.vocab_size >= tp_ranks,
                fmt::format("mesh: tp = {} is more than vocab_size = {}", tp_ranks, config.vocab_size));

  UnitBuilder embedding("model.", tp_ranks, tp_rank);
  embedding.matrix("embed_tokens.weight", config.vocab_size, config.hidden_size, 0, false);
  units_.push_back(embedding.finish());
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    units_.push_back(layer_unit_layout(config, {fmt::format("model.layers.{}.", layer), tp_ranks, tp_rank}));
  }
  UnitBuilder last("", tp_ranks, tp_rank);
  last.vector("model.norm.weight", config.hidden_size);
  if (!config.is_head_tied) {
    last.matrix("lm_head.weight", config.vocab_size, config.hidden_size, 0);
  }
  units_.push_back(last.finish());
}

}  // namespace ringworld
