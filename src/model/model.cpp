#include "model/model.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "comm/collectives.hpp"
#include "core/error.hpp"
#include "core/spelling.hpp"
#include "core/thread_team.hpp"
#include "kernels/embedding/embedding.hpp"
#include "model/activations.hpp"
#include "model/compute.hpp"
#include "model/head.hpp"
#include "model/layer.hpp"
#include "model/rank_sums.hpp"
#include "model/unit_weights.hpp"
#include "ring/ring_attention.hpp"

namespace ringworld {
namespace {

RingAttentionOptions attention_options(const LocalShape& shape, const ModelOptions& options) {
  return {.problem = {.context_length = options.context_length,
                      .batch = shape.batch,
                      .heads = shape.heads,
                      .kv_heads = shape.kv_heads,
                      .head_size = shape.head_size,
                      .dtype = options.dtype,
                      .wire_dtype = options.wire_dtype,
                      .has_segments = options.has_segments},
          .layout = options.layout,
          .backend = options.backend,
          .threads = static_cast<int>(options.threads),
          .pass = options.is_forward_only ? AttentionPass::forward : AttentionPass::forward_backward,
          .backward_rotation = {}};
}

std::int64_t largest_unit(const ParameterLayout& layout) {
  std::int64_t largest = 0;
  for (const UnitLayout& unit : layout.units()) {
    largest = std::max(largest, unit.elements);
  }
  return largest;
}

template <class T>
std::span<T> dense_span(const TensorView<T, 2>& view) {
  return {view.data, static_cast<std::size_t>(view.is_null() ? 0 : view.size())};
}

}  // namespace

void check_model_options(const ModelOptions& options) {
  require_input(options.batch > 0, fmt::format("model: batch is {}; give 1 or more sequences a rank", options.batch));
  require_input(options.context_length > 0,
                fmt::format("model: context_length is {}; give 1 or more tokens", options.context_length));
  require_input(
      options.ffn_chunk > 0 && options.loss_chunk > 0,
      fmt::format("model: chunks of {} and {} tokens; give 1 or more", options.ffn_chunk, options.loss_chunk));
  require_team(static_cast<int>(options.threads), "threads");
}

struct Model::Impl {
  ShardedParameters& parameters;
  ModelOptions options;
  Mesh mesh;
  Communicator tp;
  Communicator batch_ranks;   // dp, fsdp, sp: whose losses add up
  Communicator logits_ranks;  // tp, sp: who hold parts of a row's logits
  Partition partition;
  std::vector<std::int64_t> positions;
  LocalShape shape;
  Compute compute;
  std::unique_ptr<Embedding> embedding;
  std::unique_ptr<RmsNorm> norm;
  RingAttention attention;
  TransformerLayer layer;
  Head head;
  ActivationStore activations;
  UnitWeights unit_weights;
  DualArray<std::int32_t> tokens;    // (B, T) of the pass
  DualArray<std::int32_t> segments;  // (B, T), where there are documents
  DualArray<float> rope_table;       // (T, D / 2) cosines, then sines
  Buffer last_sum;                   // (rows, C), output of the last layer
  Buffer hidden;                     // (rows, C), after the last norm
  Buffer inverse_rms;                // (rows), of the last norm
  Buffer gradient;                   // (rows, C), of the residual stream

  Impl(ShardedParameters& parameters_in, const ModelOptions& options_in);

  [[nodiscard]] const ParameterLayout& layout() const { return parameters.layout(); }
  [[nodiscard]] const ModelConfig& config() const { return parameters.config(); }
  [[nodiscard]] RowsView rows_of(const Buffer& buffer) const {
    return {buffer.data(), shape.dtype, {shape.rows(), shape.hidden_size}};
  }
  [[nodiscard]] std::span<float> statistics() const {
    return {inverse_rms.as<float>(), static_cast<std::size_t>(shape.rows())};
  }
  /// What the layers read of the batch that is here.
  [[nodiscard]] TransformerLayer::Pass pass() const {
    const std::array<std::int64_t, 2> table{shape.tokens, shape.head_size / 2};
    const float* cosine = rope_table.device(shape.tokens * shape.head_size).data();
    TransformerLayer::Pass result{
        .cosine = {cosine, table}, .sine = {cosine + element_count(table), table}, .segments = {}};
    if (options.has_segments) {
      result.segments = {segments.device(shape.rows()).data(), {shape.batch, shape.tokens}};
    }
    return result;
  }
  [[nodiscard]] float epsilon() const { return static_cast<float>(config().rms_norm_eps); }

  void build_rope_table(double theta);
  void check_batch(const TensorView<const std::int32_t, 2>& new_tokens,
                   const TensorView<const std::int32_t, 2>& new_segments) const;
  void bring(const TensorView<const std::int32_t, 2>& new_tokens,
             const TensorView<const std::int32_t, 2>& new_segments);
  std::span<const float> gather(std::int64_t unit, std::int64_t next);
  [[nodiscard]] std::int64_t local_row(const LogitPlace& place) const;
  void run_layers(const TensorView<const std::int32_t, 2>& new_tokens,
                  const TensorView<const std::int32_t, 2>& new_segments);
  void normalize_last(std::span<const float> unit);
  void start_head(const ModelBatch& batch, bool wants_likeliest, bool has_gradient);
  void backward_layers();
  double run(const ModelBatch& batch, const TokenScores& scores, bool has_gradient);
};

Model::Impl::Impl(ShardedParameters& parameters_in, const ModelOptions& options_in)
    : parameters(parameters_in),
      options((check_model_options(options_in), options_in)),
      mesh(parameters.mesh()),
      tp(mesh.along(MeshAxis::tp)),
      batch_ranks(mesh.across({MeshAxis::dp, MeshAxis::fsdp, MeshAxis::sp})),
      logits_ranks(mesh.across({MeshAxis::tp, MeshAxis::sp})),
      partition(options.layout, options.context_length, mesh.shape()[MeshAxis::sp]),
      positions(partition.positions(mesh.coordinate(MeshAxis::sp))),
      shape(local_shape(config(), mesh.shape()[MeshAxis::tp], options.batch, std::ssize(positions), options.dtype)),
      compute(options.backend, options.threads, parameters.profile(), [this] { parameters.progress(); }),
      embedding(make_embedding(options.backend)),
      norm(make_rms_norm(options.backend)),
      attention(Ring(mesh.along(MeshAxis::sp)), attention_options(shape, options)),
      layer({.shape = shape,
             .epsilon = epsilon(),
             .rope_pairing = config().rope_pairing,
             .ffn_chunk = options.ffn_chunk,
             .is_forward_only = options.is_forward_only},
            compute, attention, tp),
      head({.rows = shape.rows(),
            .hidden_size = shape.hidden_size,
            .vocab_size = config().vocab_size,
            .vocabulary = layout().unit(0).tensor("embed_tokens.weight").slice,
            .dtype = options.dtype,
            .chunk = options.loss_chunk,
            .is_forward_only = options.is_forward_only},
           compute, tp),
      activations(shape, config().layers, options.recomputation, options.is_forward_only, compute.memory()),
      unit_weights(options.dtype, largest_unit(layout()), compute) {
  require(compute.memory() == parameters.memory(), "model: the parameters are not where this backend computes");
  const std::int64_t row_bytes = shape.rows() * shape.hidden_size * size_of(shape.dtype);
  tokens = compute.allocate_dual<std::int32_t>(shape.rows());
  if (options.has_segments) {
    segments = compute.allocate_dual<std::int32_t>(shape.rows());
  }
  rope_table = compute.allocate_dual<float>(shape.tokens * shape.head_size);
  last_sum = compute.allocate(row_bytes);
  hidden = compute.allocate(row_bytes);
  inverse_rms = compute.allocate_floats(shape.rows());
  if (!options.is_forward_only) {
    gradient = compute.allocate(row_bytes);
  }
  build_rope_table(config().rope_theta);
}

void Model::Impl::build_rope_table(double theta) {
  const std::array<std::int64_t, 2> table{shape.tokens, shape.head_size / 2};
  float* cosine = rope_table.edit(2 * element_count(table)).data();
  ringworld::build_rope_table(positions,
                              {.head_size = shape.head_size, .theta = theta, .precision = config().rope_precision},
                              {cosine, table}, {cosine + element_count(table), table});
  rope_table.upload(2 * element_count(table));
}

void Model::Impl::check_batch(const TensorView<const std::int32_t, 2>& new_tokens,
                              const TensorView<const std::int32_t, 2>& new_segments) const {
  const std::array<std::int64_t, 2> expected{shape.batch, shape.tokens};
  const auto is_expected = [&](const TensorView<const std::int32_t, 2>& view) {
    return view.shape == expected && view.strides == row_major_strides(expected);
  };
  require(is_expected(new_tokens), "model: tokens must be dense, (batch, tokens of this rank)");
  // The shape says whether ids are given: those of a rank without tokens are no memory, and null.
  require(is_expected(new_segments) || (!options.has_segments && new_segments.is_null()),
          "model: document ids must be shaped as tokens where has_segments says so, and null elsewhere");
  for (const std::int32_t token : dense_span(new_tokens)) {
    if (token < 0 || token >= config().vocab_size) {
      throw Error(ErrorKind::bad_input,
                  fmt::format("model: token {} is not in the vocabulary of {}", token, config().vocab_size));
    }
  }
}

/// Takes the batch to where kernels read it.
void Model::Impl::bring(const TensorView<const std::int32_t, 2>& new_tokens,
                        const TensorView<const std::int32_t, 2>& new_segments) {
  std::ranges::copy(dense_span(new_tokens), tokens.edit(shape.rows()).begin());
  tokens.upload(shape.rows());
  if (options.has_segments) {
    std::ranges::copy(dense_span(new_segments), segments.edit(shape.rows()).begin());
    segments.upload(shape.rows());
  }
}

/// The whole unit, with `next` on its way.
std::span<const float> Model::Impl::gather(std::int64_t unit, std::int64_t next) {
  const std::span<const float> whole = parameters.gather(unit);
  if (next >= 0) {
    parameters.start_gather(next);
  }
  return whole.first(static_cast<std::size_t>(layout().unit(unit).elements));
}

/// Which of this rank's rows holds the place; negative: none.
std::int64_t Model::Impl::local_row(const LogitPlace& place) const {
  require(place.row >= 0 && place.row < shape.batch && place.position >= 0 && place.position < options.context_length,
          "model: a place is outside of the batch");
  const auto found = std::ranges::lower_bound(positions, place.position);  // positions rise in every layout
  if (found == positions.end() || *found != place.position) {
    return -1;
  }
  return place.row * shape.tokens + (found - positions.begin());
}

void Model::Impl::run_layers(const TensorView<const std::int32_t, 2>& new_tokens,
                             const TensorView<const std::int32_t, 2>& new_segments) {
  check_batch(new_tokens, new_segments);
  bring(new_tokens, new_segments);
  parameters.forget_gathered();
  const TensorLayout& table = layout().unit(0).tensor("embed_tokens.weight");
  const std::span<const float> embedding_unit = gather(0, 1);
  const RowsView first = activations.layer(0).x;
  {
    const auto scope = compute.scope(Work::elementwise);
    embedding->forward({.tokens = tokens.device(shape.rows()),
                        .table = {embedding_unit.data(), DType::float32, {table.slice.count, shape.hidden_size}},
                        .vocab_begin = table.slice.begin,
                        .y = first});
  }
  sum_over_ranks(tp, first, layer.tp_scratch(), compute);

  ConstRowsView middle_before;
  for (std::int64_t index = 0; index < config().layers; ++index) {
    const std::int64_t unit = ParameterLayout::layer_unit(index);
    const std::span<const float> whole = gather(unit, unit + 1);
    const LayerWeights weights =
        view_layer_weights(layout().unit(unit), whole, unit_weights.convert(whole), shape.dtype);
    layer.forward(pass(), weights, activations.layer(index), middle_before, layer.branch());
    middle_before = activations.layer(index).middle;
  }
  normalize_last(gather(layout().final_unit(), -1));
}

void Model::Impl::normalize_last(std::span<const float> unit) {
  const auto scope = compute.scope(Work::elementwise);
  norm->forward({.x = activations.layer(config().layers - 1).middle,
                 .branch = layer.branch(),
                 .sum = rows_of(last_sum),
                 .weight = unit.first(static_cast<std::size_t>(shape.hidden_size)),
                 .epsilon = epsilon(),
                 .y = rows_of(hidden),
                 .inverse_rms = statistics()});
}

void Model::Impl::start_head(const ModelBatch& batch, bool wants_likeliest, bool has_gradient) {
  const std::int64_t unit = layout().head_unit();
  const UnitLayout& unit_layout = layout().unit(unit);
  const std::int64_t offset =
      unit_layout.tensor(config().is_head_tied ? "embed_tokens.weight" : "lm_head.weight").offset;
  const std::span<const float> whole = gather(unit, has_gradient ? layout().final_unit() - 1 : -1);
  const auto* weights = static_cast<const std::byte*>(unit_weights.convert(whole));
  head.start({.hidden = rows_of(hidden),
              .weight = weights + offset * size_of(shape.dtype),
              .targets = dense_span(batch.targets),
              .weights = dense_span(batch.weights),
              .wants_likeliest = wants_likeliest,
              .dhidden = has_gradient ? rows_of(gradient) : RowsView(),
              .dweight = has_gradient ? parameters.gradient(unit).data() + offset : nullptr});
}

void Model::Impl::backward_layers() {
  const std::int64_t last = layout().final_unit();
  const RowsView dx = rows_of(gradient);
  const auto columns = static_cast<std::size_t>(shape.hidden_size);
  const std::span<const float> norm_weight = gather(last, last - 1).first(columns);
  const std::span<float> norm_gradient = parameters.gradient(last).first(columns);
  {
    const auto scope = compute.scope(Work::elementwise);
    norm->backward({.dy = dx,
                    .x = rows_of(last_sum),
                    .weight = norm_weight,
                    .inverse_rms = statistics(),
                    .residual_gradient = {},
                    .dx = dx,
                    .dweight = norm_gradient});
  }
  parameters.start_reduce_scatter(last);

  for (std::int64_t index = config().layers - 1; index >= 0; --index) {
    const std::int64_t unit = ParameterLayout::layer_unit(index);
    // The embedding is read by a backward pass only where it is the head, and is here then.
    const std::span<const float> whole = gather(unit, index > 0 ? unit - 1 : -1);
    const UnitLayout& unit_layout = layout().unit(unit);
    const LayerWeights weights = view_layer_weights(unit_layout, whole, unit_weights.convert(whole), shape.dtype);
    const LayerActivations& kept = activations.layer(index);
    if (options.recomputation != Recomputation::none) {
      layer.recompute(pass(), weights, kept, options.recomputation == Recomputation::attention_saved);
    }
    const LayerGradients gradients = view_layer_gradients(unit_layout, parameters.gradient(unit));
    layer.backward(pass(), weights, gradients, kept, dx);
    parameters.start_reduce_scatter(unit);
  }

  const TensorLayout& table = layout().unit(0).tensor("embed_tokens.weight");
  const std::span<float> table_gradient = parameters.gradient(0);
  {
    const auto scope = compute.scope(Work::elementwise);
    embedding->backward({.tokens = tokens.device(shape.rows()),
                         .dy = dx,
                         .vocab_begin = table.slice.begin,
                         .dtable = {table_gradient.data(), {table.slice.count, shape.hidden_size}}});
  }
  parameters.start_reduce_scatter(0);
}

double Model::Impl::run(const ModelBatch& batch, const TokenScores& scores, bool has_gradient) {
  require(!has_gradient || !options.is_forward_only, "model: planned for forward passes only");
  require(batch.targets.shape == batch.tokens.shape && batch.weights.shape == batch.tokens.shape,
          "model: targets and weights must be shaped as tokens");
  run_layers(batch.tokens, batch.segments);
  start_head(batch, !scores.likeliest.is_null(), has_gradient);
  if (has_gradient) {
    backward_layers();
  }
  const double loss = head.finish({.nll = dense_span(scores.nll), .likeliest = dense_span(scores.likeliest)});
  return batch_ranks.all_reduce(loss, Reduction::sum);
}

Recomputation parse_recomputation(std::string_view name) {
  const auto* const found = std::ranges::find(recomputation_names, name);
  if (found == recomputation_names.end()) {
    throw_unknown_name("recomputation", name, recomputation_names);
  }
  return static_cast<Recomputation>(found - recomputation_names.begin());
}

Model::Model(ShardedParameters& parameters, const ModelOptions& options)
    : impl_(std::make_unique<Impl>(parameters, options)) {}
Model::~Model() = default;

const ModelOptions& Model::options() const { return impl_->options; }
const Partition& Model::partition() const { return impl_->partition; }
const std::vector<std::int64_t>& Model::positions() const { return impl_->positions; }

void Model::set_rope_theta(double theta) { impl_->build_rope_table(theta); }

double Model::forward(const ModelBatch& batch, const TokenScores& scores) { return impl_->run(batch, scores, false); }

double Model::forward_backward(const ModelBatch& batch, const TokenScores& scores) {
  return impl_->run(batch, scores, true);
}

void Model::prefill(const TensorView<const std::int32_t, 2>& tokens,
                    const TensorView<const std::int32_t, 2>& segments) {
  impl_->run_layers(tokens, segments);
}

void Model::logits(std::span<const LogitPlace> places, const TensorView<float, 2>& logits) {
  Impl& impl = *impl_;
  const ModelConfig& config = impl.config();
  require(logits.shape == std::array<std::int64_t, 2>{std::ssize(places), config.vocab_size} &&
              logits.strides == row_major_strides(logits.shape),
          "model: logits must be dense, (places, vocab_size)");
  const std::int64_t unit = impl.layout().head_unit();
  const TensorLayout& table =
      impl.layout().unit(unit).tensor(config.is_head_tied ? "embed_tokens.weight" : "lm_head.weight");
  const auto* weights = static_cast<const std::byte*>(impl.unit_weights.convert(impl.gather(unit, -1))) +
                        table.offset * size_of(impl.shape.dtype);
  // Each rank fills in what it has; zeros elsewhere make the sum over ranks a gather.
  std::fill_n(logits.data, logits.size(), 0.0F);
  for (std::int64_t i = 0; i < std::ssize(places);) {
    const std::int64_t row = impl.local_row(places[static_cast<std::size_t>(i)]);
    std::int64_t count = 1;  // of places whose tokens lie side by side here: one product
    while (row >= 0 && i + count < std::ssize(places) &&
           impl.local_row(places[static_cast<std::size_t>(i + count)]) == row + count) {
      ++count;
    }
    if (row >= 0) {
      impl.head.project(impl.rows_of(impl.hidden).row_range(row, count), weights,
                        logits.slice(0, i, count).slice(1, table.slice.begin, table.slice.count));
    }
    i += count;
  }
  all_reduce(impl.logits_ranks, std::span(logits.data, static_cast<std::size_t>(logits.size())), Reduction::sum,
             DeviceKind::host);
}

std::int64_t Model::bytes() const {
  const Impl& impl = *impl_;
  std::int64_t total = impl.layer.bytes() + impl.head.bytes() + impl.activations.bytes() + impl.unit_weights.bytes();
  total += impl.tokens.bytes() + impl.segments.bytes() + impl.rope_table.bytes();
  for (const Buffer* buffer : {&impl.last_sum, &impl.hidden, &impl.inverse_rms, &impl.gradient}) {
    total += buffer->bytes();
  }
  return total;
}

}  // namespace ringworld
