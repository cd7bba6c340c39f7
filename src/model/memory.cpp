#include "model/memory.hpp"

#include <algorithm>
#include <array>

#include "kernels/attention/attention.hpp"
#include "kernels/matmul/matmul.hpp"
#include "kernels/row/cuda/column_sums.hpp"
#include "model/head.hpp"
#include "model/shape.hpp"
#include "perf/attention_model.hpp"
#include "ring/partition.hpp"

namespace ringworld {
namespace {

constexpr std::int64_t float_bytes = 4;
constexpr std::int64_t token_bytes = 4;

std::int64_t sharding_ranks(const MeshShape& mesh) { return mesh[MeshAxis::fsdp] * mesh[MeshAxis::sp]; }

/// The last tensor-parallel rank's slice of the vocabulary is never the smaller one.
ParameterLayout largest_layout(const ModelConfig& config, const MeshShape& mesh) {
  return {config, mesh[MeshAxis::tp], mesh[MeshAxis::tp] - 1};
}

std::int64_t shard_elements(const ParameterLayout& layout, std::int64_t ranks) {
  std::int64_t elements = 0;
  for (const UnitLayout& unit : layout.units()) {
    elements += unit_shard_elements(unit.elements, ranks);
  }
  return elements;
}

std::int64_t gathered_bytes(const ParameterLayout& layout, std::int64_t ranks, DType dtype) {
  std::array<std::int64_t, unit_slots> shards{};
  std::int64_t largest = 0;
  for (std::int64_t index = 0; index < layout.unit_count(); ++index) {
    const std::int64_t elements = layout.unit(index).elements;
    std::int64_t& shard = shards[unit_slot(layout.config(), index)];
    shard = std::max(shard, unit_shard_elements(elements, ranks));
    largest = std::max(largest, elements);
  }
  std::int64_t bytes = dtype == DType::float32 ? 0 : largest * size_of(dtype);
  for (const std::int64_t shard : shards) {
    // The whole unit and the whole gradient, and this rank's part of the sum.
    bytes += ranks == 1 ? 0 : (2 * ranks + 1) * shard * float_bytes;
  }
  return bytes;
}

std::int64_t activation_bytes(const LocalShape& shape, std::int64_t layers, const ModelOptions& options) {
  const std::int64_t element = size_of(shape.dtype);
  const std::int64_t input = shape.hidden_size * element;
  const std::int64_t attention = shape.query_size() * element + 2 * shape.heads * float_bytes;
  const std::int64_t rest = (3 * shape.hidden_size + shape.qkv_size()) * element + 2 * float_bytes;
  const bool is_training = !options.is_forward_only;
  const auto times = [&](bool is_own) { return is_training && is_own ? layers : 1; };
  const std::int64_t of_layers = times(true) * input + times(options.recomputation != Recomputation::full) * attention +
                                 times(options.recomputation == Recomputation::none) * rest;
  const std::int64_t of_end = 2 * input + float_bytes;  // the last sum, its norm, and the norm's statistics
  return shape.rows() * (of_layers + of_end);
}

std::int64_t scratch_bytes(const LocalShape& shape, const ParameterLayout& layout, std::int64_t tp,
                           const ModelOptions& options) {
  const std::int64_t element = size_of(shape.dtype);
  const bool is_training = !options.is_forward_only;
  const bool is_rounded = shape.dtype != DType::float32;
  const std::int64_t ffn_rows = std::min(options.ffn_chunk, shape.rows());
  const std::int64_t loss_rows = head_chunk_rows(options.loss_chunk, shape.rows());
  const std::int64_t vocabulary = layout.vocabulary().count;

  std::int64_t bytes = shape.rows() * shape.hidden_size * element + ffn_rows * 2 * shape.ffn_size * element;
  bytes += loss_rows * (vocabulary * float_bytes + shape.hidden_size * element);
  bytes += shape.tokens * shape.head_size * float_bytes;  // cosines and sines
  bytes += shape.rows() * (options.has_segments ? 2 : 1) * token_bytes;
  // Of tokens with a target: row, target and likeliest token; weight, nll and largest logit; of shards three sums.
  bytes += head_list_rows(shape.rows()) * (3 * token_bytes + (tp > 1 ? 6 : 3) * float_bytes);
  if (tp > 1 && is_rounded) {
    bytes += (shape.rows() + loss_rows) * shape.hidden_size * float_bytes;
  }
  if (is_training) {
    bytes += shape.rows() * shape.hidden_size * element;  // gradient of the residual stream
    bytes += ffn_rows * shape.ffn_size * element;
    bytes += shape.rows() * (shape.query_size() + shape.qkv_size()) * element;
    bytes += shape.rows() * (shape.qkv_size() + shape.heads) * float_bytes;
    bytes += loss_rows * (shape.hidden_size + (is_rounded ? vocabulary : 0)) * element;
  }
  return bytes;
}

/// Kernels of a GPU keep their tiles on the chip, so that its memory can be planned where there is none.
std::int64_t kernel_bytes(const LocalShape& shape, const ModelOptions& options) {
  if (device_of(options.backend) == DeviceKind::cuda) {
    return cuda_attention_workspace_bytes;
  }
  return make_block_attention(options.backend,
                              {.head_size = shape.head_size, .threads = static_cast<int>(options.threads)})
      ->workspace_bytes();
}

/// Of products, and of partial sums over rows: two norms and the biases' gradients. On the host they are no Buffers.
std::int64_t kernel_scratch_bytes(const LocalShape& shape, const ModelConfig& config, const ModelOptions& options) {
  if (device_of(options.backend) != DeviceKind::cuda) {
    return 0;
  }
  const std::int64_t columns = 2 * shape.hidden_size + (config.has_attention_bias ? shape.qkv_size() : std::int64_t{0});
  return cuda_matmul_workspace_bytes +
         (options.is_forward_only ? 0 : row::sum_ranges(shape.rows()) * columns * float_bytes);
}

std::int64_t attention_bytes(const LocalShape& shape, std::int64_t ring, const ModelOptions& options) {
  const AttentionProblem problem{.context_length = options.context_length,
                                 .batch = shape.batch,
                                 .heads = shape.heads,
                                 .kv_heads = shape.kv_heads,
                                 .head_size = shape.head_size,
                                 .dtype = options.dtype,
                                 .wire_dtype = options.wire_dtype,
                                 .has_segments = options.has_segments};
  const AttentionPass pass = options.is_forward_only ? AttentionPass::forward : AttentionPass::forward_backward;
  return attention_arena_bytes(problem, pass, cheaper_rotation(problem), ring, shape.tokens) +
         kernel_bytes(shape, options);
}

}  // namespace

std::int64_t parameter_shard_elements(const ModelConfig& config, const MeshShape& mesh) {
  return shard_elements(largest_layout(config, mesh), sharding_ranks(mesh));
}

ModelMemory model_memory(const ModelConfig& config, const MeshShape& mesh, const ModelOptions& options) {
  check_model_options(options);
  require_head_size(options.backend, config.head_size);
  const ParameterLayout layout = largest_layout(config, mesh);
  const std::int64_t ranks = sharding_ranks(mesh);
  const std::int64_t tp = mesh[MeshAxis::tp];
  const std::int64_t ring = mesh[MeshAxis::sp];
  const std::int64_t tokens = Partition(options.layout, options.context_length, ring).tokens_per_rank();
  const LocalShape shape = local_shape(config, tp, options.batch, tokens, options.dtype);
  const std::int64_t shard = shard_elements(layout, ranks) * float_bytes;
  return {.parameters = shard,
          .gradients = shard,
          .gathered = gathered_bytes(layout, ranks, options.dtype),
          .activations = activation_bytes(shape, config.layers, options),
          .scratch = scratch_bytes(shape, layout, tp, options) + kernel_scratch_bytes(shape, config, options),
          .attention = attention_bytes(shape, ring, options)};
}

}  // namespace ringworld
