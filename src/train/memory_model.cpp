#include "train/memory_model.hpp"

#include <algorithm>
#include <array>

#include "kernels/attention/attention.hpp"
#include "model/shape.hpp"
#include "perf/attention_model.hpp"

namespace ringworld {
namespace {

constexpr auto float_size = static_cast<std::int64_t>(sizeof(float));
constexpr std::int64_t shard_granularity = 16;  // elements, as ShardedParameters
constexpr std::int64_t chunk_granularity = 64;  // tokens, as Head

std::int64_t rounded_up(std::int64_t count, std::int64_t quantum) { return (count + quantum - 1) / quantum * quantum; }

/// Units in flight: two turns, and a third for a tied embedding.
std::int64_t gathered_bytes(const ParameterLayout& layout, std::int64_t sharers) {
  if (sharers == 1) {
    return 0;
  }
  std::array<std::int64_t, 3> longest{};
  for (std::int64_t unit = 0; unit < layout.unit_count(); ++unit) {
    const bool is_tied_table = layout.config().is_head_tied && unit == ParameterLayout::embedding_unit;
    std::int64_t& length = longest[is_tied_table ? 2 : static_cast<std::size_t>(unit % 2)];
    length = std::max(length, rounded_up(layout.unit(unit).elements, sharers * shard_granularity));
  }
  std::int64_t bytes = 0;
  for (const std::int64_t length : longest) {
    bytes += (2 * length + length / sharers) * float_size;
  }
  return bytes;
}

std::int64_t activation_bytes(const LocalShape& shape, std::int64_t layers, Recomputation recomputation) {
  const std::int64_t element = size_of(shape.dtype);
  const std::int64_t input = shape.rows() * shape.hidden_size * element;
  const std::int64_t attention = shape.rows() * shape.query_size() * element + shape.rows() * shape.heads * float_size;
  const std::int64_t rest =
      shape.rows() * (3 * shape.hidden_size + shape.qkv_size()) * element + 2 * shape.rows() * float_size;
  return layers * input + (recomputation == Recomputation::full ? 1 : layers) * attention +
         (recomputation == Recomputation::none ? layers : 1) * rest;
}

std::int64_t layer_bytes(const LocalShape& shape, std::int64_t ffn_chunk, std::int64_t tp) {
  const std::int64_t element = size_of(shape.dtype);
  const std::int64_t chunk = std::min(ffn_chunk, shape.rows());
  const std::int64_t scratch =
      tp > 1 && shape.dtype != DType::float32 ? shape.rows() * shape.hidden_size * float_size : 0;
  return element *
             (shape.rows() * (shape.hidden_size + shape.query_size() + shape.qkv_size()) + 3 * chunk * shape.ffn_size) +
         float_size * shape.rows() * (shape.qkv_size() + shape.heads) + scratch;
}

/// The head, and what the model keeps round its layers: RoPE table, last sum, hidden states, residual gradient.
std::int64_t head_bytes(const LocalShape& shape, std::int64_t loss_chunk, std::int64_t vocabulary, std::int64_t tp) {
  const std::int64_t element = size_of(shape.dtype);
  const std::int64_t chunk = rounded_up(std::min(loss_chunk, shape.rows()), chunk_granularity);
  const bool is_mixed = shape.dtype != DType::float32;
  std::int64_t bytes = chunk * (vocabulary * float_size + 2 * shape.hidden_size * element);
  bytes += is_mixed ? chunk * vocabulary * element : 0;
  bytes += is_mixed && tp > 1 ? chunk * shape.hidden_size * float_size : 0;
  bytes += shape.tokens * shape.head_size * float_size;
  return bytes + 3 * shape.rows() * shape.hidden_size * element + shape.rows() * float_size;
}

std::int64_t attention_bytes(const TrainingPlan& plan, const Stage& stage, const LocalShape& shape) {
  const AttentionProblem problem{.context_length = stage.context_length,
                                 .batch = shape.batch,
                                 .heads = shape.heads,
                                 .kv_heads = shape.kv_heads,
                                 .head_size = shape.head_size,
                                 .dtype = plan.dtype,
                                 .wire_dtype = plan.wire_dtype,
                                 .has_segments = stage.has_segments()};
  const auto kernel =
      make_block_attention(plan.backend, {.head_size = shape.head_size, .threads = static_cast<int>(plan.threads)});
  const std::int64_t state = shape.rows() * shape.heads * (shape.head_size + 2) * float_size;
  if (stage.mesh[MeshAxis::sp] == 1) {
    return state + kernel->workspace_bytes();
  }
  const BackwardRotation rotation = cheaper_rotation(problem);
  const std::int64_t forward_operand = shape.rows() * kv_wire_bytes_per_token(problem);
  const std::int64_t backward_operand =
      rotation == BackwardRotation::kv ? forward_operand : shape.rows() * q_wire_bytes_per_token(problem);
  const std::int64_t gradient = shape.rows() * gradient_wire_bytes_per_token(problem, rotation);
  return std::max(state + 2 * forward_operand, 2 * backward_operand + 3 * gradient) + kernel->workspace_bytes();
}

}  // namespace

TrainingMemory training_memory(const TrainingPlan& plan, const Stage& stage) {
  const std::int64_t tp = stage.mesh[MeshAxis::tp];
  const std::int64_t ring = stage.mesh[MeshAxis::sp];
  const std::int64_t sharers = stage.mesh[MeshAxis::fsdp] * ring;
  // The last tensor-parallel rank has the largest slice of the vocabulary.
  const ParameterLayout layout(plan.model, tp, tp - 1);
  const ModelOptions options = plan.model_options(stage);
  const LocalShape shape{.batch = options.batch,
                         .tokens = stage.context_length / ring,
                         .hidden_size = plan.model.hidden_size,
                         .heads = plan.model.heads / tp,
                         .kv_heads = plan.model.kv_heads / tp,
                         .head_size = plan.model.head_size,
                         .ffn_size = plan.model.ffn_size / tp,
                         .dtype = plan.dtype};
  TrainingMemory memory;
  std::int64_t largest = 0;
  for (const UnitLayout& unit : layout.units()) {
    memory.parameters += rounded_up(unit.elements, sharers * shard_granularity) / sharers * float_size;
    largest = std::max(largest, unit.elements);
  }
  memory.gradients = memory.parameters;
  memory.moments = 2 * memory.parameters;
  memory.gathered_units =
      gathered_bytes(layout, sharers) + (plan.dtype == DType::float32 ? 0 : largest * size_of(plan.dtype));
  memory.activations = activation_bytes(shape, plan.model.layers, plan.recomputation);
  memory.layer_workspace = layer_bytes(shape, options.ffn_chunk, tp);
  memory.head_workspace = head_bytes(shape, options.loss_chunk, layout.unit(0).tensors[0].local_shape()[0], tp);
  memory.attention_workspace = attention_bytes(plan, stage, shape);
  return memory;
}

}  // namespace ringworld
