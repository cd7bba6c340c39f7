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

struct IndexRange {
  std::int64_t begin = 0;
  std::int64_t count = 0;
};

/// The range of `extent` indices that rank `rank` of `ranks` holds.
IndexRange slice_of(std::int64_t extent, std::int64_t ranks, std::int64_t rank) {
  const std::int64_t begin = extent * rank / ranks;
  return {.begin = begin, .count = extent * (rank + 1) / ranks - begin};
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
  /// A table a part of the vocabulary. The first has the name that a model of text alone gives it.
  template <class NameOf>
  void tables(const ModelConfig& config, std::string_view first_name, NameOf&& name_of, bool is_decayed) {
    for (const VocabularyPart& part : config.vocabulary.parts()) {
      matrix(part.begin == 0 ? std::string(first_name) : name_of(part.name), part.size, config.hidden_size, 0,
             is_decayed);
    }
  }
  [[nodiscard]] UnitLayout finish() { return std::move(unit_); }

 private:
  void add(std::string_view name, std::vector<std::int64_t> shape, int axis, bool is_decayed) {
    TensorSlice slice;
    if (axis != TensorSlice::no_axis) {
      const std::int64_t extent = shape[static_cast<std::size_t>(axis)];
      const auto [begin, count] = slice_of(extent, tp_ranks_, tp_rank_);
      slice = {.axis = axis, .begin = begin, .count = count};
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
  if (config.has_query_key_norm) {
    builder.vector("self_attn.q_norm.weight", config.head_size);
    builder.vector("self_attn.k_norm.weight", config.head_size);
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

VocabularySlices::VocabularySlices(const Vocabulary& vocabulary, std::int64_t tp_ranks, std::int64_t tp_rank) {
  for (const VocabularyPart& part : vocabulary.parts()) {
    const auto [begin, count] = slice_of(part.size, tp_ranks, tp_rank);
    parts_.push_back({.part = part, .begin = begin, .count = count, .row = parts_.empty() ? 0 : rows()});
  }
}

std::int64_t VocabularySlices::largest_part() const { return std::ranges::max(parts_, {}, &PartSlice::count).count; }

std::int32_t VocabularySlices::row_of(std::int32_t token) const {
  for (const PartSlice& slice : parts_) {
    const std::int64_t index = token - slice.first_token();
    if (index >= 0 && index < slice.count) {
      return static_cast<std::int32_t>(slice.row + index);
    }
  }
  return -1;
}

ParameterLayout::ParameterLayout(const ModelConfig& config, std::int64_t tp_ranks, std::int64_t tp_rank)
    : config_(config) {
  validate(config);
  require(tp_ranks > 0 && tp_rank >= 0 && tp_rank < tp_ranks, "parameters: no such tensor-parallel rank");
  require_divisible(config.heads, "heads", tp_ranks);
  require_divisible(config.kv_heads, "kv_heads", tp_ranks);
  require_divisible(config.ffn_size, "ffn_size", tp_ranks);
  for (const VocabularyPart& part : config.vocabulary.parts()) {
    require_input(part.size >= tp_ranks, fmt::format("mesh: tp = {} is more than vocab_size = {} of part '{}'",
                                                     tp_ranks, part.size, part.name));
  }
  vocabulary_ = VocabularySlices(config.vocabulary, tp_ranks, tp_rank);

  UnitBuilder embedding("model.", tp_ranks, tp_rank);
  embedding.tables(
      config, "embed_tokens.weight", [](const std::string& part) { return fmt::format("embed_{}.weight", part); },
      false);
  units_.push_back(embedding.finish());
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    units_.push_back(layer_unit_layout(config, {fmt::format("model.layers.{}.", layer), tp_ranks, tp_rank}));
  }
  UnitBuilder last("", tp_ranks, tp_rank);
  last.vector("model.norm.weight", config.hidden_size);
  if (!config.is_head_tied) {
    last.tables(
        config, "lm_head.weight", [](const std::string& part) { return fmt::format("{}_head.weight", part); }, true);
  }
  units_.push_back(last.finish());
}

}  // namespace ringworld
