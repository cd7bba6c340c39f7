#include "eval/greedy_decoder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "comm/collectives.hpp"
#include "core/error.hpp"
#include "device/host_access.hpp"
#include "kernels/embedding/embedding.hpp"
#include "model/compute.hpp"
#include "ring/ring_attention.hpp"

namespace ringworld {
namespace {

/// Rows of floats that are their own memory.
class FloatRows {
 public:
  FloatRows(const Compute& compute, std::int64_t rows, std::int64_t columns)
      : memory_(compute.allocate_floats(rows * columns)), rows_(rows), columns_(columns) {}

  [[nodiscard]] RowsView view() const { return {memory_.data(), DType::float32, {rows_, columns_}}; }
  [[nodiscard]] std::span<float> values() const {
    return {memory_.as<float>(), static_cast<std::size_t>(rows_ * columns_)};
  }

 private:
  Buffer memory_;
  std::int64_t rows_;
  std::int64_t columns_;
};

/// The columns `column ...` of (B * T) rows as heads of B sequences.
ActivationView heads_of(const RowsView& rows, std::int64_t batch, std::int64_t column, std::int64_t heads,
                        std::int64_t head_size) {
  const std::int64_t tokens = rows.rows / batch;
  return {rows.column_range(column, heads * head_size).data,
          DType::float32,
          {batch, tokens, heads, head_size},
          {tokens * rows.row_stride, rows.row_stride, head_size, 1}};
}

/// The cosines and sines of some positions.
class RopeTable {
 public:
  RopeTable(const Compute& compute, std::int64_t rows, std::int64_t head_size)
      : rows_(rows), columns_(head_size / 2), values_(compute.allocate_dual<float>(2 * rows * columns_)) {}

  /// @param positions  as many as the table has rows
  void build(const ModelConfig& config, double theta, std::span<const std::int64_t> positions) {
    float* first = values_.edit(2 * rows_ * columns_).data();
    build_rope_table(positions, {.head_size = config.head_size, .theta = theta, .precision = config.rope_precision},
                     {first, {rows_, columns_}}, {first + rows_ * columns_, {rows_, columns_}});
    values_.upload(2 * rows_ * columns_);
  }

  [[nodiscard]] TensorView<const float, 2> cosine() const { return {part(0), {rows_, columns_}}; }
  [[nodiscard]] TensorView<const float, 2> sine() const { return {part(rows_ * columns_), {rows_, columns_}}; }

 private:
  [[nodiscard]] const float* part(std::int64_t begin) const {
    return values_.device(2 * rows_ * columns_).data() + begin;
  }

  std::int64_t rows_;
  std::int64_t columns_;
  DualArray<float> values_;
};

LocalShape shape_of(const ModelConfig& config, std::int64_t batch, std::int64_t tokens) {
  return {.batch = batch,
          .tokens = tokens,
          .hidden_size = config.hidden_size,
          .heads = config.heads,
          .kv_heads = config.kv_heads,
          .head_size = config.head_size,
          .ffn_size = config.ffn_size};
}

const Mesh& require_no_tp(const ShardedParameters& parameters) {
  require_input(
      parameters.mesh().shape()[MeshAxis::tp] == 1,
      fmt::format("decoding does not split heads: mesh {} has tp > 1", parameters.mesh().shape().to_string()));
  return parameters.mesh();
}

}  // namespace

struct GreedyDecoder::Impl {
  Impl(ShardedParameters& parameters, const GreedyDecoderOptions& decoder_options)
      : config(parameters.config()),
        layout(parameters.layout()),
        options(decoder_options),
        ring(require_no_tp(parameters).along(MeshAxis::sp)),
        tp(parameters.mesh().along(MeshAxis::tp)),
        partition(options.layout, options.prompt_length, ring.size()),
        positions(partition.positions(ring.rank())),
        prompt_shape(shape_of(config, options.batch, std::ssize(positions))),
        compute(options.backend, options.threads, parameters.profile(), [] {}),
        prompt_rope(compute, prompt_shape.tokens, config.head_size),
        prompt_statistics(compute.allocate_floats(prompt_shape.rows())),
        cache(ring.communicator(),
              {.layers = config.layers,
               .batch = options.batch,
               .heads = config.heads,
               .kv_heads = config.kv_heads,
               .head_size = config.head_size,
               // Ranks take turns with the new tokens.
               .capacity = std::ssize(positions) + (options.new_tokens + ring.size() - 1) / ring.size()},
              options.backend, options.threads),
        linear(compute),
        norm(make_rms_norm(options.backend)),
        rope(make_rope(options.backend)),
        swiglu(make_swiglu(options.backend)),
        embedding(make_embedding(options.backend)),
        tokens(compute.allocate_dual<Token>(std::max(prompt_shape.rows(), options.batch))),
        hidden(compute, options.batch, config.hidden_size),
        logits(compute, options.batch, config.vocab_size),
        largest(compute, options.batch, 1),
        likeliest(compute.allocate_dual<std::int32_t>(options.batch)),
        step(compute, shape_of(config, options.batch, 1)),
        access(compute.memory()) {
    require(compute.memory() == parameters.memory(), "decoder: the parameters are not where this backend computes");
    prompt_rope.build(config, options.rope_theta, positions);
    gather_weights(parameters);
  }

  /// Rooms for one new token a sequence.
  struct Step {
    Step(const Compute& compute, const LocalShape& shape)
        : rope(compute, 1, shape.head_size),
          x(compute, shape.batch, shape.hidden_size),
          branch(compute, shape.batch, shape.hidden_size),
          normed(compute, shape.batch, shape.hidden_size),
          qkv(compute, shape.batch, shape.qkv_size()),
          attended(compute, shape.batch, shape.query_size()),
          gate_up(compute, shape.batch, 2 * shape.ffn_size),
          statistics(compute.allocate_floats(shape.batch)) {}

    RopeTable rope;
    FloatRows x;
    FloatRows branch;
    FloatRows normed;
    FloatRows qkv;
    FloatRows attended;
    FloatRows gate_up;
    Buffer statistics;
  };

  void gather_weights(ShardedParameters& parameters) {
    parameters.forget_gathered();
    for (std::int64_t unit = 0; unit < layout.unit_count(); ++unit) {
      parameters.start_gather(unit);
      const auto whole = parameters.gather(unit).first(static_cast<std::size_t>(layout.unit(unit).elements));
      compute.tensors().copy(whole, units.emplace_back(compute.allocate_floats(std::ssize(whole))).as<float>());
    }
    parameters.forget_gathered();
  }

  [[nodiscard]] std::span<const float> unit(std::int64_t index) const {
    return {units[static_cast<std::size_t>(index)].as<float>(), static_cast<std::size_t>(layout.unit(index).elements)};
  }
  [[nodiscard]] std::span<const float> tensor(std::int64_t unit_index, std::string_view ending) const {
    const TensorLayout& found = layout.unit(unit_index).tensor(ending);
    return unit(unit_index)
        .subspan(static_cast<std::size_t>(found.offset), static_cast<std::size_t>(found.local_elements()));
  }
  [[nodiscard]] LayerWeights layer_weights(std::int64_t layer) const {
    const std::int64_t index = ParameterLayout::layer_unit(layer);
    return view_layer_weights(layout.unit(index), unit(index), unit(index).data(), DType::float32);
  }

  void embed(std::span<const Token> new_tokens, const RowsView& x) {
    std::ranges::copy(new_tokens, tokens.edit(std::ssize(new_tokens)).begin());
    const auto table = tensor(ParameterLayout::embedding_unit, "embed_tokens.weight");
    embedding->forward({.tokens = tokens.upload(std::ssize(new_tokens)),
                        .table = {table.data(), DType::float32, {config.vocab_size, config.hidden_size}},
                        .vocab_begin = 0,
                        .y = x});
  }

  /// y = norm(x + branch) with x + branch left in x; no branch: null. `statistics` is room for a float a row.
  void normalise(const RowsView& x, const ConstRowsView& branch, std::span<const float> weight, const RowsView& y,
                 const Buffer& statistics) const {
    norm->forward({.x = x,
                   .branch = branch,
                   .sum = branch.is_null() ? RowsView() : x,
                   .weight = weight,
                   .epsilon = static_cast<float>(config.rms_norm_eps),
                   .y = y,
                   .inverse_rms = {statistics.as<float>(), static_cast<std::size_t>(x.rows)}});
  }

  void read(std::span<const Token> prompt);
  void add(std::span<const Token> new_tokens);
  void add_layer(std::int64_t index);
  std::vector<Token> choose();

  ModelConfig config;
  const ParameterLayout& layout;
  GreedyDecoderOptions options;
  Ring ring;
  Communicator tp;  // this rank alone
  Partition partition;
  std::vector<std::int64_t> positions;  // of this rank's part of the prompt
  LocalShape prompt_shape;
  Compute compute;
  RopeTable prompt_rope;
  Buffer prompt_statistics;
  KeyValueCache cache;
  Linear linear;
  std::unique_ptr<RmsNorm> norm;
  std::unique_ptr<Rope> rope;
  std::unique_ptr<SwiGlu> swiglu;
  std::unique_ptr<Embedding> embedding;
  std::vector<Buffer> units;          // whole parameters
  DualArray<Token> tokens;            // (B, T) of the prompt, or (B)
  FloatRows hidden;                   // (B, C), after the last norm
  FloatRows logits;                   // (B, V)
  FloatRows largest;                  // (B), of the logits
  DualArray<std::int32_t> likeliest;  // (B)
  Step step;
  HostAccess access;        // to logits
  std::int64_t length = 0;  // of each sequence
};

void GreedyDecoder::Impl::read(std::span<const Token> prompt) {
  const std::int64_t batch = options.batch;
  require(std::ssize(prompt) == batch * options.prompt_length, "decoder: prompts of another length");
  cache.clear();
  RingAttention attention(ring, {.problem = {.context_length = options.prompt_length,
                                             .batch = batch,
                                             .heads = config.heads,
                                             .kv_heads = config.kv_heads,
                                             .head_size = config.head_size},
                                 .layout = options.layout,
                                 .backend = options.backend,
                                 .threads = options.threads,
                                 .pass = AttentionPass::forward,
                                 .backward_rotation = BackwardRotation::kv});
  TransformerLayer layer({.shape = prompt_shape,
                          .epsilon = static_cast<float>(config.rms_norm_eps),
                          .rope_pairing = config.rope_pairing,
                          .is_forward_only = true},
                         compute, attention, tp);
  const ActivationStore store(prompt_shape, 1, Recomputation::none, true, compute.memory());
  const LayerActivations& kept = store.layer(0);
  std::vector<Token> mine;
  for (std::int64_t b = 0; b < batch; ++b) {
    for (const std::int64_t position : positions) {
      mine.push_back(prompt[static_cast<std::size_t>(b * options.prompt_length + position)]);
    }
  }
  embed(mine, kept.x);
  for (std::int64_t index = 0; index < config.layers; ++index) {
    layer.forward({.cosine = prompt_rope.cosine(), .sine = prompt_rope.sine(), .segments = {}}, layer_weights(index),
                  kept, index == 0 ? ConstRowsView() : ConstRowsView(kept.middle), layer.branch());
    cache.append(index, heads_of(kept.qkv, batch, prompt_shape.query_size(), config.kv_heads, config.head_size),
                 heads_of(kept.qkv, batch, prompt_shape.query_size() + prompt_shape.key_size(), config.kv_heads,
                          config.head_size));
  }
  normalise(kept.middle, layer.branch(), tensor(layout.final_unit(), "model.norm.weight"), kept.middle_normed,
            prompt_statistics);
  // The rank of the last token has what the head reads; the others add zeros.
  compute.tensors().fill_zero(hidden.values());
  const auto last = std::ranges::find(positions, options.prompt_length - 1);
  if (last != positions.end()) {
    for (std::int64_t b = 0; b < batch; ++b) {
      compute.tensors().copy_rows(
          kept.middle_normed.row_range(b * std::ssize(positions) + (last - positions.begin()), 1),
          hidden.view().row_range(b, 1));
    }
  }
  all_reduce(ring.communicator(), hidden.values(), Reduction::sum, compute.memory());
  length = options.prompt_length;
}

/// One layer for one token a sequence. step.x is the sum before the layer less step.branch, which is added first.
void GreedyDecoder::Impl::add_layer(std::int64_t index) {
  const std::int64_t batch = options.batch;
  const LocalShape shape = shape_of(config, batch, 1);
  const LayerWeights weights = layer_weights(index);
  const RowsView branch = step.branch.view();
  const RowsView normed = step.normed.view();
  const RowsView qkv = step.qkv.view();
  const RowsView gate_up = step.gate_up.view();

  normalise(step.x.view(), index == 0 ? ConstRowsView() : ConstRowsView(branch), weights.norm, normed, step.statistics);
  linear.forward(normed, weights.qkv, qkv);
  if (!weights.qkv_bias.empty()) {
    compute.tensors().add_to_rows(weights.qkv_bias, qkv);
  }
  rope->rotate({.x = heads_of(qkv, batch, 0, shape.heads + shape.kv_heads, shape.head_size),
                .cosine = step.rope.cosine(),
                .sine = step.rope.sine(),
                .pairing = config.rope_pairing});
  if ((length - options.prompt_length) % ring.size() == ring.rank()) {
    cache.append(index, heads_of(qkv, batch, shape.query_size(), shape.kv_heads, shape.head_size),
                 heads_of(qkv, batch, shape.query_size() + shape.key_size(), shape.kv_heads, shape.head_size));
  }
  cache.attend(index, heads_of(qkv, batch, 0, shape.heads, shape.head_size),
               heads_of(step.attended.view(), batch, 0, shape.heads, shape.head_size));
  linear.forward(step.attended.view(), weights.o, branch);

  normalise(step.x.view(), branch, weights.middle_norm, normed, step.statistics);
  linear.forward(normed, weights.gate_up, gate_up);
  const RowsView gate = gate_up.column_range(0, shape.ffn_size);
  swiglu->forward({.gate = gate, .up = gate_up.column_range(shape.ffn_size, shape.ffn_size), .y = gate});
  linear.forward(gate, weights.down, branch);
}

void GreedyDecoder::Impl::add(std::span<const Token> new_tokens) {
  require(std::ssize(new_tokens) == options.batch, "decoder: one token a sequence");
  require(length >= options.prompt_length, "decoder: a prompt comes first");
  require(length < options.prompt_length + options.new_tokens, "decoder: no room for another token");
  step.rope.build(config, options.rope_theta, std::span(&length, 1));
  embed(new_tokens, step.x.view());
  for (std::int64_t index = 0; index < config.layers; ++index) {
    add_layer(index);
  }
  normalise(step.x.view(), step.branch.view(), tensor(layout.final_unit(), "model.norm.weight"), hidden.view(),
            step.statistics);
  ++length;
}

std::vector<Token> GreedyDecoder::Impl::choose() {
  const auto head = tensor(layout.head_unit(), config.is_head_tied ? "embed_tokens.weight" : "lm_head.weight");
  linear.forward(hidden.view(), head.data(), logits.view());
  compute.tensors().find_row_maxima(logits.view(),
                                    {.maximum = largest.values(), .index = likeliest.device(options.batch)});
  likeliest.download(options.batch);
  const std::span<const std::int32_t> found = likeliest.read(options.batch);
  std::vector<Token> chosen(found.begin(), found.end());
  // Ranks on unlike processors may round differently: one of them decides.
  ring.communicator().broadcast(std::as_writable_bytes(std::span(chosen)), 0);
  return chosen;
}

GreedyDecoder::GreedyDecoder(ShardedParameters& parameters, const GreedyDecoderOptions& options)
    : impl_(std::make_unique<Impl>(parameters, options)) {}

GreedyDecoder::~GreedyDecoder() = default;

std::vector<Token> GreedyDecoder::read(std::span<const Token> prompt) {
  impl_->read(prompt);
  return impl_->choose();
}

std::vector<Token> GreedyDecoder::add(std::span<const Token> tokens) {
  impl_->add(tokens);
  return impl_->choose();
}

std::vector<Token> GreedyDecoder::generate(std::span<const Token> prompt, std::int64_t count) {
  const std::int64_t batch = impl_->options.batch;
  std::vector<Token> generated(static_cast<std::size_t>(batch * count));
  std::vector<Token> next = read(prompt);
  for (std::int64_t token = 0; token < count; ++token) {
    for (std::int64_t b = 0; b < batch; ++b) {
      generated[static_cast<std::size_t>(b * count + token)] = next[static_cast<std::size_t>(b)];
    }
    if (token + 1 < count) {
      next = add(next);
    }
  }
  return generated;
}

std::int64_t GreedyDecoder::cache_bytes() const { return impl_->cache.bytes(); }

TensorView<const float, 2> GreedyDecoder::logits() {
  return {impl_->access.read(impl_->logits.values()).data(), {impl_->options.batch, impl_->config.vocab_size}};
}

}  // namespace ringworld
