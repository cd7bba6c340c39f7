#include "model/layer.hpp"

#include <algorithm>
#include <cstddef>

#include "model/rank_sums.hpp"

namespace ringworld {
namespace {

/// Calls `function(begin, count)` for chunks of at most `chunk` of `rows`.
template <class Function>
void for_each_chunk(std::int64_t rows, std::int64_t chunk, Function&& function) {
  for (std::int64_t begin = 0; begin < rows; begin += chunk) {
    function(begin, std::min(chunk, rows - begin));
  }
}

template <class T>
std::span<T> tensor_span(std::span<T> unit, const TensorLayout& tensor) {
  return unit.subspan(static_cast<std::size_t>(tensor.offset), static_cast<std::size_t>(tensor.local_elements()));
}

/// The three biases, which lie side by side.
template <class T>
std::span<T> qkv_bias_span(std::span<T> unit_values, const UnitLayout& unit) {
  const TensorLayout& first = unit.tensor("q_proj.bias");
  const TensorLayout& last = unit.tensor("v_proj.bias");
  return unit_values.subspan(static_cast<std::size_t>(first.offset),
                             static_cast<std::size_t>(last.offset + last.local_elements() - first.offset));
}

bool has_tensor(const UnitLayout& unit, std::string_view ending) {
  return std::ranges::any_of(unit.tensors, [&](const TensorLayout& tensor) { return tensor.name.ends_with(ending); });
}

bool has_bias(const UnitLayout& unit) { return has_tensor(unit, ".bias"); }

/// Empty where the model has no such tensor.
template <class T>
std::span<T> optional_span(std::span<T> unit_values, const UnitLayout& unit, std::string_view ending) {
  return has_tensor(unit, ending) ? tensor_span(unit_values, unit.tensor(ending)) : std::span<T>();
}

}  // namespace

LayerWeights view_layer_weights(const UnitLayout& unit, std::span<const float> fp32, const void* weights, DType dtype) {
  const auto matrix = [&](std::string_view ending) {
    return static_cast<const void*>(static_cast<const std::byte*>(weights) +
                                    unit.tensor(ending).offset * size_of(dtype));
  };
  return {.norm = tensor_span(fp32, unit.tensor("input_layernorm.weight")),
          .qkv = matrix("q_proj.weight"),
          .qkv_bias = has_bias(unit) ? qkv_bias_span(fp32, unit) : std::span<const float>{},
          .query_norm = optional_span(fp32, unit, "q_norm.weight"),
          .key_norm = optional_span(fp32, unit, "k_norm.weight"),
          .o = matrix("o_proj.weight"),
          .middle_norm = tensor_span(fp32, unit.tensor("post_attention_layernorm.weight")),
          .gate_up = matrix("gate_proj.weight"),
          .down = matrix("down_proj.weight")};
}

LayerGradients view_layer_gradients(const UnitLayout& unit, std::span<float> gradient) {
  const auto matrix = [&](std::string_view ending) { return gradient.data() + unit.tensor(ending).offset; };
  return {.norm = tensor_span(gradient, unit.tensor("input_layernorm.weight")),
          .qkv = matrix("q_proj.weight"),
          .qkv_bias = has_bias(unit) ? qkv_bias_span(gradient, unit) : std::span<float>{},
          .query_norm = optional_span(gradient, unit, "q_norm.weight"),
          .key_norm = optional_span(gradient, unit, "k_norm.weight"),
          .o = matrix("o_proj.weight"),
          .middle_norm = tensor_span(gradient, unit.tensor("post_attention_layernorm.weight")),
          .gate_up = matrix("gate_proj.weight"),
          .down = matrix("down_proj.weight")};
}

TransformerLayer::TransformerLayer(const LayerOptions& options, Compute& compute, LayerAttention& attention,
                                   Communicator tp)
    : options_(options),
      compute_(compute),
      linear_(compute),
      attention_(attention),
      tp_(std::move(tp)),
      norm_(make_rms_norm(compute.backend(), compute.kernel_options())),
      rope_(make_rope(compute.backend(), compute.kernel_options())),
      swiglu_(make_swiglu(compute.backend(), compute.kernel_options())) {
  const LocalShape& shape = options.shape;
  const std::int64_t element = size_of(shape.dtype);
  const std::int64_t chunk = std::min(options.ffn_chunk, shape.rows());
  branch_memory_ = compute.allocate(shape.rows() * shape.hidden_size * element);
  branch_ = {branch_memory_.data(), shape.dtype, {shape.rows(), shape.hidden_size}};
  gate_up_ = compute.allocate(chunk * 2 * shape.ffn_size * element);
  if (tp_.size() > 1 && shape.dtype != DType::float32) {
    tp_scratch_ = compute.allocate_floats(shape.rows() * shape.hidden_size);
  }
  if (!options.is_forward_only) {
    inner_ = compute.allocate(chunk * shape.ffn_size * element);
    dattention_ = compute.allocate(shape.rows() * shape.query_size() * element);
    dqkv_ = compute.allocate(shape.rows() * shape.qkv_size() * element);
    dq_ = compute.allocate_floats(shape.rows() * shape.query_size());
    dk_ = compute.allocate_floats(shape.rows() * shape.key_size());
    dv_ = compute.allocate_floats(shape.rows() * shape.key_size());
    delta_ = compute.allocate_floats(shape.rows() * shape.heads);
    if (shape.has_query_key_norm) {
      head_norm_sums_ = compute.allocate_floats(2 * shape.head_size);
    }
  }
}

std::int64_t TransformerLayer::bytes() const {
  std::int64_t total = 0;
  for (const Buffer* buffer : {&branch_memory_, &gate_up_, &inner_, &tp_scratch_, &dattention_, &dqkv_, &dq_, &dk_,
                               &dv_, &delta_, &head_norm_sums_}) {
    total += buffer->bytes();
  }
  return total;
}

ActivationView TransformerLayer::heads_of(const RowsView& rows, std::int64_t column, std::int64_t heads) const {
  const LocalShape& shape = options_.shape;
  return {rows.column_range(column, heads * shape.head_size).data,
          rows.dtype,
          {shape.batch, shape.tokens, heads, shape.head_size},
          {shape.tokens * rows.row_stride, rows.row_stride, shape.head_size, 1}};
}

void TransformerLayer::normalise(const RmsNormForward& norm) {
  const auto scope = compute_.scope(Work::elementwise);
  norm_->forward(norm);
}

void TransformerLayer::rotate(const Pass& pass, const ActivationView& x, RopeDirection direction) {
  const auto scope = compute_.scope(Work::elementwise);
  rope_->rotate(
      {.x = x, .cosine = pass.cosine, .sine = pass.sine, .pairing = options_.rope_pairing, .direction = direction});
}

void TransformerLayer::rotate_queries(const Pass& pass, const ActivationView& x, RopeDirection direction) {
  Pass queries = pass;
  if (pass.query_cosine.data != nullptr) {
    queries.cosine = pass.query_cosine;
    queries.sine = pass.query_sine;
  }
  rotate(queries, x, direction);
}

void TransformerLayer::sum_over_tp(const RowsView& rows) { sum_over_ranks(tp_, rows, tp_scratch(), compute_); }

void TransformerLayer::project_qkv(const Pass& pass, const LayerWeights& weights, const LayerActivations& kept) {
  linear_.forward(kept.normed, weights.qkv, kept.qkv);
  if (!weights.qkv_bias.empty()) {
    const auto scope = compute_.scope(Work::elementwise);
    compute_.tensors().add_to_rows(weights.qkv_bias, kept.qkv);
  }
  normalise_heads(weights, kept);
  const LocalShape& shape = options_.shape;
  if (pass.query_cosine.data == nullptr) {  // q and k lie side by side and turn alike
    rotate(pass, heads_of(kept.qkv, 0, shape.heads + shape.kv_heads), RopeDirection::forward);
  } else {
    rotate_queries(pass, heads_of(kept.qkv, 0, shape.heads), RopeDirection::forward);
    rotate(pass, heads_of(kept.qkv, shape.query_size(), shape.kv_heads), RopeDirection::forward);
  }
  compute_.progress();
}

void TransformerLayer::normalise_heads(const LayerWeights& weights, const LayerActivations& kept) {
  const LocalShape& shape = options_.shape;
  if (!shape.has_query_key_norm) {
    return;
  }
  const auto scope = compute_.scope(Work::elementwise);
  const RowsView heads = kept.qkv.column_range(0, shape.query_size() + shape.key_size());
  if (!kept.head_norms.input.is_null()) {
    compute_.tensors().copy_rows(heads, kept.head_norms.input);
  }
  for (std::int64_t head = 0; head < shape.heads + shape.kv_heads; ++head) {
    const RowsView of_head = heads.column_range(head * shape.head_size, shape.head_size);
    norm_->forward({.x = of_head,
                    .branch = {},
                    .sum = {},
                    .weight = head < shape.heads ? weights.query_norm : weights.key_norm,
                    .epsilon = options_.epsilon,
                    .y = of_head,
                    .inverse_rms = kept.head_norms.inverse_rms_of(head, shape.rows())});
  }
}

void TransformerLayer::attend(const Pass& pass, const LayerActivations& kept) {
  const LocalShape& shape = options_.shape;
  const auto scope = compute_.scope(Work::attention);
  attention_.forward(pass.layer, {.q = heads_of(kept.qkv, 0, shape.heads),
                                  .k = heads_of(kept.qkv, shape.query_size(), shape.kv_heads),
                                  .v = heads_of(kept.qkv, shape.query_size() + shape.key_size(), shape.kv_heads),
                                  .document_ids = pass.document_ids,
                                  .out = heads_of(kept.attention, 0, shape.heads),
                                  .maximum = kept.maximum,
                                  .sum = kept.sum});
  compute_.progress();
}

void TransformerLayer::join_attention(const LayerWeights& weights, const LayerActivations& kept,
                                      const RowsView& branch) {
  linear_.forward(kept.attention, weights.o, branch);
  sum_over_tp(branch);
  normalise({.x = kept.x,
             .branch = branch,
             .sum = kept.middle,
             .weight = weights.middle_norm,
             .epsilon = options_.epsilon,
             .y = kept.middle_normed,
             .inverse_rms = kept.middle_inverse_rms});
  compute_.progress();
}

RowsView TransformerLayer::gate_up_of(const LayerActivations& kept, std::int64_t begin, std::int64_t count) const {
  const LocalShape& shape = options_.shape;
  return kept.gate_up.is_null() ? RowsView(gate_up_.data(), shape.dtype, {count, 2 * shape.ffn_size})
                                : kept.gate_up.row_range(begin, count);
}

void TransformerLayer::feed_forward(const LayerWeights& weights, const LayerActivations& kept, const RowsView& branch) {
  const LocalShape& shape = options_.shape;
  for_each_chunk(shape.rows(), options_.ffn_chunk, [&](std::int64_t begin, std::int64_t count) {
    const RowsView gate_up = gate_up_of(kept, begin, count);
    const RowsView gate = gate_up.column_range(0, shape.ffn_size);
    // What is kept must stay as it is.
    const RowsView inner =
        kept.gate_up.is_null() ? gate : RowsView(inner_.data(), shape.dtype, {count, shape.ffn_size});
    linear_.forward(kept.middle_normed.row_range(begin, count), weights.gate_up, gate_up);
    {
      const auto scope = compute_.scope(Work::elementwise);
      swiglu_->forward({.gate = gate, .up = gate_up.column_range(shape.ffn_size, shape.ffn_size), .y = inner});
    }
    linear_.forward(inner, weights.down, branch.row_range(begin, count));
    compute_.progress();
  });
  sum_over_tp(branch);
}

void TransformerLayer::forward(const Pass& pass, const LayerWeights& weights, const LayerActivations& kept,
                               const ConstRowsView& middle_before, const RowsView& branch) {
  const bool is_first = middle_before.is_null();
  normalise({.x = is_first ? ConstRowsView(kept.x) : middle_before,
             .branch = is_first ? ConstRowsView() : ConstRowsView(branch),
             .sum = is_first ? RowsView() : kept.x,
             .weight = weights.norm,
             .epsilon = options_.epsilon,
             .y = kept.normed,
             .inverse_rms = kept.inverse_rms});
  project_qkv(pass, weights, kept);
  attend(pass, kept);
  join_attention(weights, kept, branch);
  feed_forward(weights, kept, branch);
}

void TransformerLayer::recompute(const Pass& pass, const LayerWeights& weights, const LayerActivations& kept,
                                 bool is_attention_kept) {
  normalise({.x = kept.x,
             .branch = {},
             .sum = {},
             .weight = weights.norm,
             .epsilon = options_.epsilon,
             .y = kept.normed,
             .inverse_rms = kept.inverse_rms});
  project_qkv(pass, weights, kept);
  if (!is_attention_kept) {
    attend(pass, kept);
  }
  join_attention(weights, kept, branch_);
}

void TransformerLayer::backward_norm(std::span<const float> weight, std::span<float> dweight, const RowsView& x,
                                     std::span<const float> inverse_rms, const RowsView& dnormed, const RowsView& dx) {
  const auto scope = compute_.scope(Work::elementwise);
  norm_->backward({.dy = dnormed,
                   .x = x,
                   .weight = weight,
                   .inverse_rms = inverse_rms,
                   .residual_gradient = dx,
                   .dx = dx,
                   .dweight = dweight});
}

void TransformerLayer::backward_feed_forward(const LayerWeights& weights, const LayerGradients& gradients,
                                             const LayerActivations& kept, const RowsView& dx) {
  const LocalShape& shape = options_.shape;
  for_each_chunk(shape.rows(), options_.ffn_chunk, [&](std::int64_t begin, std::int64_t count) {
    const RowsView gate_up = gate_up_of(kept, begin, count);
    const RowsView gate = gate_up.column_range(0, shape.ffn_size);
    const RowsView up = gate_up.column_range(shape.ffn_size, shape.ffn_size);
    const RowsView inner(inner_.data(), shape.dtype, {count, shape.ffn_size});
    const RowsView dy = dx.row_range(begin, count);
    const RowsView normed = kept.middle_normed.row_range(begin, count);
    if (kept.gate_up.is_null()) {
      linear_.forward(normed, weights.gate_up, gate_up);
    }
    linear_.input_gradient(dy, weights.down, inner);
    {
      const auto scope = compute_.scope(Work::elementwise);
      swiglu_->backward({.dy = inner, .gate = gate, .up = up, .dgate = gate, .dup = up, .y = inner});
    }
    linear_.weight_gradient(dy, inner, gradients.down);
    linear_.weight_gradient(gate_up, normed, gradients.gate_up);
    linear_.input_gradient(gate_up, weights.gate_up, branch_.row_range(begin, count));
    compute_.progress();
  });
}

void TransformerLayer::backward_attention(const Pass& pass, const LayerActivations& kept, const RowsView& dattention) {
  const LocalShape& shape = options_.shape;
  const TensorView<float, 4> dq(dq_.as<float>(), {shape.batch, shape.tokens, shape.heads, shape.head_size});
  const TensorView<float, 4> dk(dk_.as<float>(), {shape.batch, shape.tokens, shape.kv_heads, shape.head_size});
  const TensorView<float, 4> dv(dv_.as<float>(), dk.shape);
  {
    const auto scope = compute_.scope(Work::attention);
    attention_.backward(pass.layer, {.q = heads_of(kept.qkv, 0, shape.heads),
                                     .k = heads_of(kept.qkv, shape.query_size(), shape.kv_heads),
                                     .v = heads_of(kept.qkv, shape.query_size() + shape.key_size(), shape.kv_heads),
                                     .document_ids = pass.document_ids,
                                     .out = heads_of(kept.attention, 0, shape.heads),
                                     .maximum = kept.maximum,
                                     .sum = kept.sum,
                                     .dout = heads_of(dattention, 0, shape.heads),
                                     .delta = {delta_.as<float>(), {shape.batch, shape.heads, shape.tokens}},
                                     .dq = dq,
                                     .dk = dk,
                                     .dv = dv});
  }
  rotate_queries(pass, dq, RopeDirection::inverse);
  rotate(pass, dk, RopeDirection::inverse);
  const RowsView dqkv(dqkv_.data(), shape.dtype, {shape.rows(), shape.qkv_size()});
  {
    const auto scope = compute_.scope(Work::elementwise);
    const auto put_columns = [&](const float* from, std::int64_t begin, std::int64_t columns) {
      compute_.tensors().copy_rows({from, DType::float32, {shape.rows(), columns}}, dqkv.column_range(begin, columns));
    };
    put_columns(dq.data, 0, shape.query_size());
    put_columns(dk.data, shape.query_size(), shape.key_size());
    put_columns(dv.data, shape.query_size() + shape.key_size(), shape.key_size());
  }
  compute_.progress();
}

void TransformerLayer::backward_head_norms(const LayerWeights& weights, const LayerGradients& gradients,
                                           const LayerActivations& kept, const RowsView& dqkv) {
  const LocalShape& shape = options_.shape;
  if (!shape.has_query_key_norm) {
    return;
  }
  const auto of_queries = static_cast<std::size_t>(shape.head_size);
  const std::span<float> sums(head_norm_sums_.as<float>(), 2 * of_queries);
  {
    const auto scope = compute_.scope(Work::elementwise);
    compute_.tensors().fill_zero(sums);
    for (std::int64_t head = 0; head < shape.heads + shape.kv_heads; ++head) {
      const bool is_query = head < shape.heads;
      const RowsView dhead = dqkv.column_range(head * shape.head_size, shape.head_size);
      norm_->backward({.dy = dhead,
                       .x = kept.head_norms.input.column_range(head * shape.head_size, shape.head_size),
                       .weight = is_query ? weights.query_norm : weights.key_norm,
                       .inverse_rms = kept.head_norms.inverse_rms_of(head, shape.rows()),
                       .residual_gradient = {},
                       .dx = dhead,
                       .dweight = is_query ? sums.first(of_queries) : sums.last(of_queries)});
    }
  }
  // All tp ranks hold these weights, and each has heads of its own.
  sum_over_tp({sums.data(), DType::float32, {1, std::ssize(sums)}});
  const auto scope = compute_.scope(Work::elementwise);
  compute_.tensors().add(sums.first(of_queries), gradients.query_norm);
  compute_.tensors().add(sums.last(of_queries), gradients.key_norm);
}

void TransformerLayer::backward(const Pass& pass, const LayerWeights& weights, const LayerGradients& gradients,
                                const LayerActivations& kept, const RowsView& dx) {
  const LocalShape& shape = options_.shape;
  backward_feed_forward(weights, gradients, kept, dx);
  sum_over_tp(branch_);
  backward_norm(weights.middle_norm, gradients.middle_norm, kept.middle, kept.middle_inverse_rms, branch_, dx);

  const RowsView dattention(dattention_.data(), shape.dtype, {shape.rows(), shape.query_size()});
  linear_.input_gradient(dx, weights.o, dattention);
  linear_.weight_gradient(dx, kept.attention, gradients.o);
  compute_.progress();
  backward_attention(pass, kept, dattention);

  const RowsView dqkv(dqkv_.data(), shape.dtype, {shape.rows(), shape.qkv_size()});
  backward_head_norms(weights, gradients, kept, dqkv);
  if (!gradients.qkv_bias.empty()) {
    const auto scope = compute_.scope(Work::elementwise);
    compute_.tensors().add_column_sums(dqkv, gradients.qkv_bias);
  }
  linear_.weight_gradient(dqkv, kept.normed, gradients.qkv);
  linear_.input_gradient(dqkv, weights.qkv, branch_);
  sum_over_tp(branch_);
  backward_norm(weights.norm, gradients.norm, kept.x, kept.inverse_rms, branch_, dx);
}

}  // namespace ringworld
