#include "model/decoder.hpp"

#include <algorithm>
#include <cmath>

#include "comm/collectives.hpp"
#include "core/error.hpp"
#include "model/body.hpp"
#include "model/compute.hpp"
#include "model/head.hpp"
#include "model/rank_sums.hpp"
#include "model/rope_table.hpp"
#include "model/weights.hpp"

namespace ringworld {
namespace {

constexpr std::int32_t text_document = 0;
constexpr std::int32_t padding_document = -1;  // it sees nothing and nothing sees it

}  // namespace

struct Decoder::Impl {
  Impl(ShardedParameters& parameters_in, const DecoderOptions& options_in)
      : parameters(parameters_in),
        options((require_within_window(config(), options_in.prompt_length + options_in.new_tokens), options_in)),
        ranks(parameters.mesh().along(MeshAxis::sp)),
        tp(parameters.mesh().along(MeshAxis::tp)),
        partition(options.layout, options.prompt_length, ranks.size(), options.schedule.ulysses),
        positions(partition.positions(ranks.rank())),
        step_shape(shape_of(1)),
        compute(options.backend, options.threads, parameters.profile(), [this] { parameters.progress(); }),
        weights(make_weights()),
        cache(ranks,
              {.layers = config().layers,
               .batch = options.batch,
               .heads = step_shape.heads,
               .kv_heads = step_shape.kv_heads,
               .head_size = step_shape.head_size,
               // Ranks take turns with the new tokens.
               .capacity = std::ssize(positions) + (options.new_tokens + ranks.size() - 1) / ranks.size(),
               .dtype = options.dtype,
               .has_documents = options.has_padding},
              options.backend, options.threads),
        step_attention(cache),
        step(body_options(step_shape), compute, step_attention, tp),
        step_rope(compute, 1, step_shape.head_size),
        prompt_rope(compute, std::ssize(positions), step_shape.head_size),
        head({.rows = options.batch,
              .hidden_size = step_shape.hidden_size,
              .vocabulary = layout().vocabulary(),
              .dtype = options.dtype,
              .chunk = options.batch,
              .is_forward_only = true},
             compute, tp),
        table_rows(
            compute.allocate_dual<std::int32_t>(options.batch * std::max<std::int64_t>(std::ssize(positions), 1))),
        last(compute.allocate(options.batch * step_shape.hidden_size * size_of(options.dtype))),
        sum_scratch(options.dtype == DType::float32 ? Buffer()
                                                    : compute.allocate_floats(options.batch * step_shape.hidden_size)),
        logits(static_cast<std::size_t>(options.batch * config().vocabulary.size())) {
    prompt_rope.build(config(), rope_use(), positions);
    if (options.has_padding) {
      prompt_documents =
          compute.allocate_dual<std::int32_t>(options.batch * std::max<std::int64_t>(std::ssize(positions), 1));
      step_documents = compute.allocate_dual<std::int32_t>(options.batch);
      std::ranges::fill(step_documents.edit(options.batch), text_document);
      step_documents.upload(options.batch);
    }
  }

  [[nodiscard]] const ModelConfig& config() const { return parameters.config(); }
  [[nodiscard]] const ParameterLayout& layout() const { return parameters.layout(); }
  [[nodiscard]] LocalShape shape_of(std::int64_t tokens_of_a_sequence) const {
    return local_shape(config(), parameters.mesh().shape()[MeshAxis::tp], options.batch, tokens_of_a_sequence,
                       options.dtype);
  }
  [[nodiscard]] BodyOptions body_options(const LocalShape& shape) const {
    return {.shape = shape,
            .layers = config().layers,
            .epsilon = static_cast<float>(config().rms_norm_eps),
            .rope_pairing = config().rope_pairing,
            .is_forward_only = true};
  }
  [[nodiscard]] RopeUse rope_use() const {
    return {.theta = options.rope_theta,
            .scaling = options.rope_scaling ? &*options.rope_scaling : nullptr,
            .context_length = options.prompt_length + options.new_tokens};
  }
  [[nodiscard]] std::unique_ptr<WeightSource> make_weights() {
    // Before anything is gathered to where kernels do not reach.
    require(compute.memory() == parameters.memory(), "decoder: the parameters are not where this backend computes");
    if (options.holds_weights) {
      return std::make_unique<HeldWeights>(parameters, options.dtype, compute);
    }
    return std::make_unique<GatheredWeights>(parameters, options.dtype, compute);
  }
  /// (B, C), of the last token of each sequence, after the last norm.
  [[nodiscard]] RowsView last_rows() const {
    return {last.data(), options.dtype, {options.batch, step_shape.hidden_size}};
  }

  std::span<const std::int32_t> upload(std::span<const std::int32_t> new_tokens);
  [[nodiscard]] TensorView<const std::int32_t, 2> upload_documents(std::span<const std::int64_t> padding);
  /// (B, 1), of one new token a sequence.
  [[nodiscard]] TensorView<const std::int32_t, 2> new_token_documents() const {
    return options.has_padding
               ? TensorView<const std::int32_t, 2>(step_documents.device(options.batch).data(), {options.batch, 1})
               : TensorView<const std::int32_t, 2>();
  }
  void read(std::span<const std::int32_t> prompt, std::span<const std::int64_t> padding);
  void add(std::span<const std::int32_t> new_tokens);

  ShardedParameters& parameters;
  DecoderOptions options;
  Communicator ranks;  // of sp
  Communicator tp;
  Partition partition;
  std::vector<std::int64_t> positions;  // of this rank's part of the prompt
  LocalShape step_shape;                // one token a sequence
  Compute compute;
  std::unique_ptr<WeightSource> weights;
  KeyValueCache cache;
  CachedSequence step_attention;
  Body step;
  RopeTable step_rope;
  RopeTable prompt_rope;
  Head head;
  DualArray<std::int32_t> table_rows;  // (B, T) of the prompt, or (B): where the embedding's table has the tokens
  // Document ids, where prompts are padded: `padding_document` or `text_document`.
  DualArray<std::int32_t> prompt_documents;  // (B, T)
  DualArray<std::int32_t> step_documents;    // (B)
  Buffer last;                               // (B, C), after the last norm
  Buffer sum_scratch;                        // bf16: (B, C) floats
  std::vector<float> logits;                 // (B, V)
  bool has_logits = false;                   // of what was read and added last
  std::int64_t length = 0;                   // of each sequence
};

std::span<const std::int32_t> Decoder::Impl::upload(std::span<const std::int32_t> new_tokens) {
  for (const std::int32_t token : new_tokens) {
    require(config().vocabulary.contains(token), "decoder: a token is not in the vocabulary");
  }
  std::ranges::transform(new_tokens, table_rows.edit(std::ssize(new_tokens)).begin(),
                         [&](std::int32_t token) { return layout().vocabulary().row_of(token); });
  return table_rows.upload(std::ssize(new_tokens));
}

/// (B, T), of this rank's part of the prompts; null where prompts are never padded.
TensorView<const std::int32_t, 2> Decoder::Impl::upload_documents(std::span<const std::int64_t> padding) {
  require(padding.empty() || std::ssize(padding) == options.batch, "decoder: one number of padding tokens a sequence");
  for (const std::int64_t count : padding) {
    require(count >= 0 && count < options.prompt_length, "decoder: a prompt is all padding");
    require(count == 0 || options.has_padding, "decoder: it was not made for padded prompts");
  }
  if (!options.has_padding) {
    return {};
  }
  const std::array<std::int64_t, 2> shape{options.batch, std::ssize(positions)};
  const TensorView<std::int32_t, 2> ids(prompt_documents.edit(element_count(shape)).data(), shape);
  for (std::int64_t b = 0; b < options.batch; ++b) {
    const std::int64_t count = padding.empty() ? 0 : padding[static_cast<std::size_t>(b)];
    for (std::size_t local = 0; local < positions.size(); ++local) {
      ids(b, local) = positions[local] < count ? padding_document : text_document;
    }
  }
  return {prompt_documents.upload(element_count(shape)).data(), shape};
}

void Decoder::Impl::read(std::span<const std::int32_t> prompt, std::span<const std::int64_t> padding) {
  require(std::ssize(prompt) == options.batch * options.prompt_length, "decoder: prompts of another length");
  const TensorView<const std::int32_t, 2> document_ids = upload_documents(padding);
  cache.clear();
  const LocalShape shape = shape_of(std::ssize(positions));
  // Memory that only the prompt needs is freed once the prompt is read.
  const auto sequence = make_sequence_attention(ranks, {.problem = {.context_length = options.prompt_length,
                                                                    .batch = options.batch,
                                                                    .heads = shape.heads,
                                                                    .kv_heads = shape.kv_heads,
                                                                    .head_size = shape.head_size,
                                                                    .dtype = options.dtype,
                                                                    .wire_dtype = options.dtype,
                                                                    .has_documents = options.has_padding},
                                                        .schedule = options.schedule,
                                                        .layout = options.layout,
                                                        .backend = options.backend,
                                                        .threads = options.threads,
                                                        .pass = AttentionPass::forward,
                                                        .backward_rotation = BackwardRotation::kv});
  WholeSequence attention(*sequence, &cache);
  Body body(body_options(shape), compute, attention, tp);
  std::vector<std::int32_t> mine;
  for (std::int64_t b = 0; b < options.batch; ++b) {
    for (const std::int64_t position : positions) {
      mine.push_back(prompt[static_cast<std::size_t>(b * options.prompt_length + position)]);
    }
  }
  const RowsView hidden = body.forward(
      upload(mine),
      {.layer = 0, .cosine = prompt_rope.cosine(), .sine = prompt_rope.sine(), .document_ids = document_ids}, *weights);

  // The rank of the last token has what the head reads; the others add zeros.
  compute.tensors().fill_zero(last_rows());
  const auto place = std::ranges::find(positions, options.prompt_length - 1);
  if (place != positions.end()) {
    for (std::int64_t b = 0; b < options.batch; ++b) {
      compute.tensors().copy_rows(hidden.row_range(b * shape.tokens + (place - positions.begin()), 1),
                                  last_rows().row_range(b, 1));
    }
  }
  sum_over_ranks(ranks, last_rows(), sum_scratch.as<float>(), compute);
  length = options.prompt_length;
  has_logits = false;
}

void Decoder::Impl::add(std::span<const std::int32_t> new_tokens) {
  require(std::ssize(new_tokens) == options.batch, "decoder: one token a sequence");
  require(length >= options.prompt_length, "decoder: a prompt comes first");
  require(length < options.prompt_length + options.new_tokens, "decoder: no room for another token");
  step_rope.build(config(), rope_use(), std::span(&length, 1));
  step_attention.set_keeper((length - options.prompt_length) % ranks.size() == ranks.rank());
  const RowsView hidden = step.forward(
      upload(new_tokens),
      {.layer = 0, .cosine = step_rope.cosine(), .sine = step_rope.sine(), .document_ids = new_token_documents()},
      *weights);
  compute.tensors().copy_rows(hidden, last_rows());
  ++length;
  has_logits = false;
}

Decoder::Decoder(ShardedParameters& parameters, const DecoderOptions& options)
    : impl_(std::make_unique<Impl>(parameters, options)) {}

Decoder::~Decoder() = default;

void Decoder::read(std::span<const std::int32_t> prompt, std::span<const std::int64_t> padding) {
  impl_->read(prompt, padding);
}
void Decoder::add(std::span<const std::int32_t> tokens) { impl_->add(tokens); }

std::vector<std::int32_t> Decoder::likeliest(std::size_t part) {
  const std::vector<VocabularyPart>& parts = impl_->config().vocabulary.parts();
  require(part < parts.size(), "decoder: no such part of the vocabulary");
  const TensorView<const float, 2> values = logits().slice(1, parts[part].begin, parts[part].size);
  std::vector<std::int32_t> found;
  for (std::int64_t row = 0; row < values.shape[0]; ++row) {
    std::int64_t best = 0;
    for (std::int64_t v = 1; v < values.shape[1]; ++v) {
      // NaN is passed over, also where it stands first.
      best = values(row, v) > values(row, best) || std::isnan(values(row, best)) ? v : best;
    }
    found.push_back(static_cast<std::int32_t>(parts[part].begin + (std::isnan(values(row, best)) ? 0 : best)));
  }
  agree(found);
  return found;
}

void Decoder::agree(std::span<std::int32_t> tokens) const {
  impl_->ranks.broadcast(std::as_writable_bytes(tokens), 0);
  impl_->tp.broadcast(std::as_writable_bytes(tokens), 0);
}

TensorView<const float, 2> Decoder::logits() {
  Impl& impl = *impl_;
  const TensorView<float, 2> all(impl.logits.data(), {impl.options.batch, impl.config().vocabulary.size()});
  if (!impl.has_logits) {
    std::ranges::fill(impl.logits, 0.0F);
    impl.head.project(impl.last_rows(), impl.weights->head(), all);
    all_reduce(impl.tp, std::span<float>(impl.logits), Reduction::sum, DeviceKind::host);
    impl.has_logits = true;
  }
  return all;
}

std::int64_t Decoder::cache_bytes() const { return impl_->cache.bytes(); }

}  // namespace ringworld
