#include "eval/greedy_decoder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "comm/collectives.hpp"
#include "core/error.hpp"
#include "kernels/embedding/embedding.hpp"
#include "model/row_sums.hpp"
#include "ring/ring_attention.hpp"

namespace ringworld {
namespace {

/// Rows of floats that are their own memory.
class FloatRows {
 public:
  FloatRows(std::int64_t rows, std::int64_t columns)
      : values_(static_cast<std::size_t>(rows * columns)), rows_(rows), columns_(columns) {}

  [[nodiscard]] RowsView view() { return {values_.data(), DType::float32, {rows_, columns_}}; }
  [[nodiscard]] std::span<float> values() { return values_; }

 private:
  std::vector<float> values_;
  std::int64_t rows_;
  std::int64_t columns_;
};

/// The columns `column ...` of (B * T) rows as heads of B sequences.
ActivationView heads_of(const RowsView& rows, std::int64_t batch, std::int64_t column, std::int64_t heads,
                        std::int64_t head_size) {
  const std::int64_t tokens = rows.rows / batch;
  return {static_cast<float*>(rows.data) + column,
          DType::float32,
          {batch, tokens, heads, head_size},
          {tokens * rows.row_stride, rows.row_stride, head_size, 1}};
}

/// The cosines and sines of some positions.
class RopeTable {
 public:
  RopeTable(const ModelConfig& config, double theta, std::span<const std::int64_t> positions)
      : rows_(std::ssize(positions)),
        columns_(config.head_size / 2),
        cosine_(static_cast<std::size_t>(rows_ * columns_)),
        sine_(cosine_.size()) {
    build_rope_table(positions, {.head_size = config.head_size, .theta = theta, .precision = config.rope_precision},
                     {cosine_.data(), {rows_, columns_}}, {sine_.data(), {rows_, columns_}});
  }

  [[nodiscard]] TensorView<const float, 2> cosine() const { return {cosine_.data(), {rows_, columns_}}; }
  [[nodiscard]] TensorView<const float, 2> sine() const { return {sine_.data(), {rows_, columns_}}; }

 private:
  std::int64_t rows_;
  std::int64_t columns_;
  std::vector<float> cosine_;
  std::vector<float> sine_;
};

/// Global positions of a rank's tokens, in its order.
std::vector<std::int64_t> positions_of(const Partition& partition, std::int64_t rank) {
  std::vector<std::int64_t> positions;
  for (const Segment& segment : partition.segments(rank)) {
    for (std::int64_t i = 0; i < segment.count; ++i) {
      positions.push_back(segment.token + i * segment.stride);
    }
  }
  return positions;
}

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

std::int64_t require_length(std::int64_t prompt_length, std::int64_t ranks) {
  require_input(prompt_length >= 2 * ranks,
                fmt::format("prompt of {} tokens for {} ranks: at least 2 a rank", prompt_length, ranks));
  return prompt_length;
}

}  // namespace

struct GreedyDecoder::Impl {
  Impl(ShardedParameters& parameters, const GreedyDecoderOptions& decoder_options)
      : config(parameters.config()),
        layout(parameters.layout()),
        options(decoder_options),
        ring(require_no_tp(parameters).along(MeshAxis::sp)),
        tp(parameters.mesh().along(MeshAxis::tp)),
        partition(options.layout, require_length(options.prompt_length, ring.size()), ring.size()),
        positions(positions_of(partition, ring.rank())),
        prompt_shape(shape_of(config, options.batch, std::ssize(positions))),
        prompt_rope(config, options.rope_theta, positions),
        cache(ring.communicator(),
              {.layers = config.layers,
               .batch = options.batch,
               .heads = config.heads,
               .kv_heads = config.kv_heads,
               .head_size = config.head_size,
               // Ranks take turns with the new tokens.
               .capacity = std::ssize(positions) + (options.new_tokens + ring.size() - 1) / ring.size()},
              options.backend, options.threads),
        matmul(make_matmul(options.backend, {.threads = options.threads})),
        linear(*matmul),
        norm(make_rms_norm(options.backend)),
        rope(make_rope(options.backend)),
        swiglu(make_swiglu(options.backend)),
        embedding(make_embedding(options.backend)),
        hidden(options.batch, config.hidden_size),
        logits(options.batch, config.vocab_size) {
    gather_weights(parameters);
  }

  void gather_weights(ShardedParameters& parameters) {
    parameters.forget_gathered();
    for (std::int64_t unit = 0; unit < layout.unit_count(); ++unit) {
      parameters.start_gather(unit);
      const std::span<const float> whole = parameters.gather(unit);
      units.emplace_back(whole.begin(), whole.begin() + layout.unit(unit).elements);
    }
    parameters.forget_gathered();
  }

  [[nodiscard]] std::span<const float> unit(std::int64_t index) const { return units[static_cast<std::size_t>(index)]; }
  [[nodiscard]] std::span<const float> tensor(std::int64_t unit_index, std::string_view ending) const {
    const TensorLayout& found = layout.unit(unit_index).tensor(ending);
    return unit(unit_index)
        .subspan(static_cast<std::size_t>(found.offset), static_cast<std::size_t>(found.local_elements()));
  }
  [[nodiscard]] LayerWeights layer_weights(std::int64_t layer) const {
    const std::int64_t index = ParameterLayout::layer_unit(layer);
    return view_layer_weights(layout.unit(index), unit(index), unit(index).data(), DType::float32);
  }

  void embed(std::span<const Token> tokens, const RowsView& x) {
    const auto table = tensor(ParameterLayout::embedding_unit, "embed_tokens.weight");
    embedding->forward({.tokens = tokens,
                        .table = {table.data(), DType::float32, {config.vocab_size, config.hidden_size}},
                        .vocab_begin = 0,
                        .y = x});
  }

  /// y = norm(x + branch) with x + branch left in x; no branch: null.
  void normalise(const RowsView& x, const ConstRowsView& branch, std::span<const float> weight,
                 const RowsView& y) const {
    std::vector<float> inverse_rms(static_cast<std::size_t>(x.rows));
    norm->forward({.x = x,
                   .branch = branch,
                   .sum = branch.is_null() ? RowsView() : x,
                   .weight = weight,
                   .epsilon = static_cast<float>(config.rms_norm_eps),
                   .y = y,
                   .inverse_rms = inverse_rms});
  }

  void read(std::span<const Token> prompt);
  void add(std::span<const Token> tokens);
  void add_layer(std::int64_t index, const RopeTable& table, const RowsView& x, const RowsView& branch);
  std::vector<Token> choose();

  ModelConfig config;
  const ParameterLayout& layout;
  GreedyDecoderOptions options;
  Ring ring;
  Communicator tp;  // this rank alone
  Partition partition;
  std::vector<std::int64_t> positions;  // of this rank's part of the prompt
  LocalShape prompt_shape;
  RopeTable prompt_rope;
  KeyValueCache cache;
  std::unique_ptr<Matmul> matmul;
  Linear linear;
  std::unique_ptr<RmsNorm> norm;
  std::unique_ptr<Rope> rope;
  std::unique_ptr<SwiGlu> swiglu;
  std::unique_ptr<Embedding> embedding;
  std::vector<std::vector<float>> units;  // whole parameters
  FloatRows hidden;                       // (B, C), after the last norm
  FloatRows logits;                       // (B, V)
  std::int64_t length = 0;                // of each sequence
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
                                 .pass = AttentionPass::forward,
                                 .backward_rotation = BackwardRotation::kv});
  TransformerLayer layer({.shape = prompt_shape,
                          .epsilon = static_cast<float>(config.rms_norm_eps),
                          .rope_pairing = config.rope_pairing,
                          .backend = options.backend,
                          .is_forward_only = true},
                         *matmul, attention, tp, [] {});
  const ActivationStore store(prompt_shape, 1, Recomputation::none, true);
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
  normalise(kept.middle, layer.branch(), tensor(layout.final_unit(), "model.norm.weight"), kept.middle_normed);
  // The rank of the last token has what the head reads; the others add zeros.
  std::ranges::fill(hidden.values(), 0.0F);
  const auto last = std::ranges::find(positions, options.prompt_length - 1);
  if (last != positions.end()) {
    for (std::int64_t b = 0; b < batch; ++b) {
      copy_rows(kept.middle_normed.row_range(b * std::ssize(positions) + (last - positions.begin()), 1),
                hidden.view().row_range(b, 1));
    }
  }
  all_reduce(ring.communicator(), hidden.values(), Reduction::sum);
  length = options.prompt_length;
}

/// One layer for one token a sequence. x is the sum before the layer less `branch`, which is added first.
void GreedyDecoder::Impl::add_layer(std::int64_t index, const RopeTable& table, const RowsView& x,
                                    const RowsView& branch) {
  const std::int64_t batch = options.batch;
  const LocalShape shape = shape_of(config, batch, 1);
  const LayerWeights weights = layer_weights(index);
  FloatRows normed(batch, shape.hidden_size);
  FloatRows qkv(batch, shape.qkv_size());
  FloatRows attended(batch, shape.query_size());
  FloatRows gate_up(batch, 2 * shape.ffn_size);

  normalise(x, index == 0 ? ConstRowsView() : ConstRowsView(branch), weights.norm, normed.view());
  linear.forward(normed.view(), weights.qkv, qkv.view());
  if (!weights.qkv_bias.empty()) {
    add_bias(qkv.view(), weights.qkv_bias);
  }
  rope->rotate({.x = heads_of(qkv.view(), batch, 0, shape.heads + shape.kv_heads, shape.head_size),
                .cosine = table.cosine(),
                .sine = table.sine(),
                .pairing = config.rope_pairing});
  if ((length - options.prompt_length) % ring.size() == ring.rank()) {
    cache.append(index, heads_of(qkv.view(), batch, shape.query_size(), shape.kv_heads, shape.head_size),
                 heads_of(qkv.view(), batch, shape.query_size() + shape.key_size(), shape.kv_heads, shape.head_size));
  }
  cache.attend(index, heads_of(qkv.view(), batch, 0, shape.heads, shape.head_size),
               heads_of(attended.view(), batch, 0, shape.heads, shape.head_size));
  linear.forward(attended.view(), weights.o, branch);

  normalise(x, branch, weights.middle_norm, normed.view());
  linear.forward(normed.view(), weights.gate_up, gate_up.view());
  const RowsView gate = gate_up.view().column_range(0, shape.ffn_size);
  swiglu->forward({.gate = gate, .up = gate_up.view().column_range(shape.ffn_size, shape.ffn_size), .y = gate});
  linear.forward(gate, weights.down, branch);
}

void GreedyDecoder::Impl::add(std::span<const Token> tokens) {
  require(std::ssize(tokens) == options.batch, "decoder: one token a sequence");
  require(length >= options.prompt_length, "decoder: a prompt comes first");
  require(length < options.prompt_length + options.new_tokens, "decoder: no room for another token");
  FloatRows x(options.batch, config.hidden_size);
  FloatRows branch(options.batch, config.hidden_size);
  const RopeTable table(config, options.rope_theta, std::span(&length, 1));
  embed(tokens, x.view());
  for (std::int64_t index = 0; index < config.layers; ++index) {
    add_layer(index, table, x.view(), branch.view());
  }
  normalise(x.view(), branch.view(), tensor(layout.final_unit(), "model.norm.weight"), hidden.view());
  ++length;
}

std::vector<Token> GreedyDecoder::Impl::choose() {
  const auto head = tensor(layout.head_unit(), config.is_head_tied ? "embed_tokens.weight" : "lm_head.weight");
  linear.forward(hidden.view(), head.data(), logits.view());
  std::vector<Token> chosen;
  for (std::int64_t b = 0; b < options.batch; ++b) {
    const auto row = logits.values().subspan(static_cast<std::size_t>(b * config.vocab_size),
                                             static_cast<std::size_t>(config.vocab_size));
    chosen.push_back(static_cast<Token>(std::ranges::max_element(row) - row.begin()));
  }
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

TensorView<const float, 2> GreedyDecoder::logits() const {
  return {impl_->logits.values().data(), {impl_->options.batch, impl_->config.vocab_size}};
}

}  // namespace ringworld
