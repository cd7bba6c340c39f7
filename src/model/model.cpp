#include "model/model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "comm/collectives.hpp"
#include "core/error.hpp"
#include "core/spelling.hpp"
#include "core/thread_team.hpp"
#include "model/body.hpp"
#include "model/compute.hpp"
#include "model/head.hpp"
#include "model/rope_table.hpp"
#include "model/weights.hpp"
#include "sequence/sequence_attention.hpp"

namespace ringworld {
namespace {

SequenceAttentionOptions attention_options(const LocalShape& shape, const ModelOptions& options) {
  return {.problem = {.context_length = options.context_length,
                      .batch = shape.batch,
                      .heads = shape.heads,
                      .kv_heads = shape.kv_heads,
                      .head_size = shape.head_size,
                      .dtype = options.dtype,
                      .wire_dtype = options.wire_dtype,
                      .has_documents = options.has_documents},
          .schedule = options.schedule,
          .layout = options.layout,
          .backend = options.backend,
          .threads = static_cast<int>(options.threads),
          .pass = options.is_forward_only ? AttentionPass::forward : AttentionPass::forward_backward,
          .backward_rotation = {}};
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
  GatheredWeights weights;
  std::unique_ptr<SequenceAttention> sequence;
  WholeSequence attention;
  Body body;
  Head head;
  DualArray<std::int32_t> table_rows;    // (B, T), of the embedding's table, of the tokens of the pass
  DualArray<std::int32_t> document_ids;  // (B, T), where there are documents
  RopeTable rope_table;
  std::optional<RopeTable> query_table;  // where queries grow with their position
  double rope_theta;
  bool is_rope_table_built = false;  // a pass does so: a model that only plans memory needs no table
  Buffer gradient;                   // (rows, C), of the residual stream

  Impl(ShardedParameters& parameters_in, const ModelOptions& options_in);

  [[nodiscard]] const ParameterLayout& layout() const { return parameters.layout(); }
  [[nodiscard]] const ModelConfig& config() const { return parameters.config(); }
  [[nodiscard]] RowsView gradient_rows() const {
    return {gradient.data(), shape.dtype, {shape.rows(), shape.hidden_size}};
  }
  /// The operands of the current batch that the layers read.
  [[nodiscard]] TransformerLayer::Pass pass() const {
    TransformerLayer::Pass result{
        .layer = 0, .cosine = rope_table.cosine(), .sine = rope_table.sine(), .document_ids = {}};
    if (query_table) {
      result.query_cosine = query_table->cosine();
      result.query_sine = query_table->sine();
    }
    if (options.has_documents) {
      result.document_ids = {document_ids.device(shape.rows()).data(), {shape.batch, shape.tokens}};
    }
    return result;
  }

  void check_batch(const TensorView<const std::int32_t, 2>& new_tokens,
                   const TensorView<const std::int32_t, 2>& new_document_ids) const;
  void upload_batch(const TensorView<const std::int32_t, 2>& new_tokens,
                    const TensorView<const std::int32_t, 2>& new_document_ids);
  [[nodiscard]] std::int64_t local_row(const LogitPlace& place) const;
  void run_layers(const TensorView<const std::int32_t, 2>& new_tokens,
                  const TensorView<const std::int32_t, 2>& new_document_ids);
  void start_head(const ModelBatch& batch, bool wants_likeliest, bool has_gradient);
  void backward_layers();
  double run(const ModelBatch& batch, const TokenScores& scores, bool has_gradient);
};

Model::Impl::Impl(ShardedParameters& parameters_in, const ModelOptions& options_in)
    : parameters(parameters_in),
      options(
          (check_model_options(options_in), require_within_window(config(), options_in.context_length), options_in)),
      mesh(parameters.mesh()),
      tp(mesh.along(MeshAxis::tp)),
      batch_ranks(mesh.across({MeshAxis::dp, MeshAxis::fsdp, MeshAxis::sp})),
      logits_ranks(mesh.across({MeshAxis::tp, MeshAxis::sp})),
      partition(options.layout, options.context_length, mesh.shape()[MeshAxis::sp], options.schedule.ulysses),
      positions(partition.positions(mesh.coordinate(MeshAxis::sp))),
      shape(local_shape(config(), mesh.shape()[MeshAxis::tp], options.batch, std::ssize(positions), options.dtype)),
      compute(options.backend, options.threads, parameters.profile(), [this] { parameters.progress(); }),
      weights(parameters, options.dtype, compute),
      sequence(make_sequence_attention(mesh.along(MeshAxis::sp), attention_options(shape, options))),
      attention(*sequence),
      body({.shape = shape,
            .layers = config().layers,
            .epsilon = static_cast<float>(config().rms_norm_eps),
            .rope_pairing = config().rope_pairing,
            .ffn_chunk = options.ffn_chunk,
            .recomputation = options.recomputation,
            .is_forward_only = options.is_forward_only},
           compute, attention, tp),
      head({.rows = shape.rows(),
            .hidden_size = shape.hidden_size,
            .vocabulary = layout().vocabulary(),
            .dtype = options.dtype,
            .chunk = options.loss_chunk,
            .is_forward_only = options.is_forward_only},
           compute, tp),
      rope_table(compute, shape.tokens, shape.head_size),
      rope_theta(config().rope_theta) {
  if (options.log_length > 0) {
    query_table.emplace(compute, shape.tokens, shape.head_size);
  }
  require(compute.memory() == parameters.memory(), "model: the parameters are not where this backend computes");
  table_rows = compute.allocate_dual<std::int32_t>(shape.rows());
  if (options.has_documents) {
    document_ids = compute.allocate_dual<std::int32_t>(shape.rows());
  }
  if (!options.is_forward_only) {
    gradient = compute.allocate(shape.rows() * shape.hidden_size * size_of(shape.dtype));
  }
}

void Model::Impl::check_batch(const TensorView<const std::int32_t, 2>& new_tokens,
                              const TensorView<const std::int32_t, 2>& new_document_ids) const {
  const std::array<std::int64_t, 2> expected{shape.batch, shape.tokens};
  const auto is_expected = [&](const TensorView<const std::int32_t, 2>& view) {
    return view.shape == expected && view.strides == row_major_strides(expected);
  };
  require(is_expected(new_tokens), "model: tokens must be dense, (batch, tokens of this rank)");
  // The shape says whether ids are given: those of a rank without tokens are no memory, and null.
  require(is_expected(new_document_ids) || (!options.has_documents && new_document_ids.is_null()),
          "model: document ids must be shaped as tokens where has_documents says so, and null elsewhere");
  for (const std::int32_t token : dense_span(new_tokens)) {
    if (!config().vocabulary.contains(token)) {
      throw Error(ErrorKind::bad_input,
                  fmt::format("model: token {} is not in the vocabulary of {}", token, config().vocabulary.size()));
    }
  }
}

/// Copies the batch to where kernels read it.
void Model::Impl::upload_batch(const TensorView<const std::int32_t, 2>& new_tokens,
                               const TensorView<const std::int32_t, 2>& new_document_ids) {
  std::ranges::transform(dense_span(new_tokens), table_rows.edit(shape.rows()).begin(),
                         [&](std::int32_t token) { return layout().vocabulary().row_of(token); });
  table_rows.upload(shape.rows());
  if (options.has_documents) {
    std::ranges::copy(dense_span(new_document_ids), document_ids.edit(shape.rows()).begin());
    document_ids.upload(shape.rows());
  }
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
                             const TensorView<const std::int32_t, 2>& new_document_ids) {
  check_batch(new_tokens, new_document_ids);
  upload_batch(new_tokens, new_document_ids);
  if (!is_rope_table_built && traits_of(options.backend).computes) {
    RopeUse use{.theta = rope_theta,
                .scaling = options.rope_scaling ? &*options.rope_scaling : nullptr,
                .context_length = options.context_length};
    rope_table.build(config(), use, positions);
    if (query_table) {
      use.log_length = options.log_length;
      query_table->build(config(), use, positions);
    }
    is_rope_table_built = true;
  }
  body.forward(table_rows.device(shape.rows()), pass(), weights);
}

void Model::Impl::start_head(const ModelBatch& batch, bool wants_likeliest, bool has_gradient) {
  const std::int64_t unit = layout().head_unit();
  head.start({.hidden = body.hidden(),
              .weight = weights.head(has_gradient ? layout().final_unit() - 1 : -1),
              .targets = dense_span(batch.targets),
              .weights = dense_span(batch.weights),
              .wants_likeliest = wants_likeliest,
              .dhidden = has_gradient ? gradient_rows() : RowsView(),
              .dweight = has_gradient ? parameters.gradient(unit).data() + layout().head_offset() : nullptr});
}

void Model::Impl::backward_layers() {
  const std::int64_t last = layout().final_unit();
  const RowsView dx = gradient_rows();
  const std::span<const float> norm_weight = weights.final_norm(last - 1);
  const std::span<float> norm_gradient = parameters.gradient(last).first(static_cast<std::size_t>(shape.hidden_size));
  {
    const auto scope = compute.scope(Work::elementwise);
    body.norm().backward({.dy = dx,
                          .x = body.last_sum(),
                          .weight = norm_weight,
                          .inverse_rms = body.inverse_rms(),
                          .residual_gradient = {},
                          .dx = dx,
                          .dweight = norm_gradient});
  }
  parameters.start_reduce_scatter(last);

  for (std::int64_t index = config().layers - 1; index >= 0; --index) {
    const std::int64_t unit = ParameterLayout::layer_unit(index);
    // The embedding is read by a backward pass only where it is the head, and is here then.
    const LayerWeights of_layer = weights.layer(index, index - 1);
    const LayerActivations& kept = body.activations(index);
    TransformerLayer::Pass layer_pass = pass();
    layer_pass.layer = index;
    if (recomputes_layers(options.recomputation)) {
      body.layer().recompute(layer_pass, of_layer, kept, options.recomputation == Recomputation::attention_saved);
    }
    const LayerGradients gradients = view_layer_gradients(layout().unit(unit), parameters.gradient(unit));
    body.layer().backward(layer_pass, of_layer, gradients, kept, dx);
    parameters.start_reduce_scatter(unit);
  }

  const std::span<float> table_gradient = parameters.gradient(0);
  {
    const auto scope = compute.scope(Work::elementwise);
    body.embedding().backward({.tokens = table_rows.device(shape.rows()),
                               .dy = dx,
                               .dtable = {table_gradient.data(), {layout().vocabulary().rows(), shape.hidden_size}}});
  }
  parameters.start_reduce_scatter(0);
}

double Model::Impl::run(const ModelBatch& batch, const TokenScores& scores, bool has_gradient) {
  require(!has_gradient || !options.is_forward_only, "model: planned for forward passes only");
  require(batch.targets.shape == batch.tokens.shape && batch.weights.shape == batch.tokens.shape,
          "model: targets and weights must be shaped as tokens");
  run_layers(batch.tokens, batch.document_ids);
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

void Model::set_rope_theta(double theta) {
  impl_->rope_theta = theta;
  impl_->is_rope_table_built = false;
}

double Model::forward(const ModelBatch& batch, const TokenScores& scores) { return impl_->run(batch, scores, false); }

double Model::forward_backward(const ModelBatch& batch, const TokenScores& scores) {
  return impl_->run(batch, scores, true);
}

void Model::prefill(const TensorView<const std::int32_t, 2>& tokens,
                    const TensorView<const std::int32_t, 2>& document_ids) {
  impl_->run_layers(tokens, document_ids);
}

void Model::logits(std::span<const LogitPlace> places, const TensorView<float, 2>& logits) {
  Impl& impl = *impl_;
  const ModelConfig& config = impl.config();
  require(logits.shape == std::array<std::int64_t, 2>{std::ssize(places), config.vocabulary.size()} &&
              logits.strides == row_major_strides(logits.shape),
          "model: logits must be dense, (places, tokens of the vocabulary)");
  const void* weights = impl.weights.head();
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
      impl.head.project(impl.body.hidden().row_range(row, count), weights, logits.slice(0, i, count));
    }
    i += count;
  }
  all_reduce(impl.logits_ranks, std::span(logits.data, static_cast<std::size_t>(logits.size())), Reduction::sum,
             DeviceKind::host);
}

std::int64_t Model::bytes() const {
  const Impl& impl = *impl_;
  return impl.body.bytes() + impl.head.bytes() + impl.weights.bytes() + impl.table_rows.bytes() +
         impl.document_ids.bytes() + impl.rope_table.bytes() + (impl.query_table ? impl.query_table->bytes() : 0) +
         impl.gradient.bytes();
}

}  // namespace ringworld
