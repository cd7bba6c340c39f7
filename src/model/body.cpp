#include "model/body.hpp"

#include "model/rank_sums.hpp"

namespace ringworld {

Body::Body(const BodyOptions& options, Compute& compute, LayerAttention& attention, const Communicator& tp)
    : options_(options),
      compute_(compute),
      tp_(tp),
      embedding_(make_embedding(compute.backend(), compute.kernel_options())),
      norm_(make_rms_norm(compute.backend(), compute.kernel_options())),
      layer_({.shape = options.shape,
              .epsilon = options.epsilon,
              .rope_pairing = options.rope_pairing,
              .ffn_chunk = options.ffn_chunk,
              .is_forward_only = options.is_forward_only},
             compute, attention, tp),
      activations_(options.shape, options.layers, options.recomputation, options.is_forward_only, compute.memory()) {
  const LocalShape& shape = options.shape;
  const std::int64_t row_bytes = shape.rows() * shape.hidden_size * size_of(shape.dtype);
  last_sum_ = compute.allocate(row_bytes, MemoryUse::activations);
  hidden_ = compute.allocate(row_bytes, MemoryUse::activations);
  inverse_rms_ = compute.allocate_floats(shape.rows());
}

RowsView Body::forward(std::span<const std::int32_t> table_rows, TransformerLayer::Pass pass, WeightSource& weights) {
  const RowsView first = activations_.layer(0).x;
  const ConstRowsView table = weights.embedding();
  {
    const auto scope = compute_.scope(Work::elementwise);
    embedding_->forward({.tokens = table_rows, .table = table, .y = first});
  }
  sum_over_ranks(tp_, first, layer_.tp_scratch(), compute_);

  ConstRowsView middle_before;
  for (std::int64_t index = 0; index < options_.layers; ++index) {
    pass.layer = index;
    layer_.forward(pass, weights.layer(index), activations_.layer(index), middle_before, layer_.branch());
    middle_before = activations_.layer(index).middle;
  }
  const std::span<const float> weight = weights.final_norm();
  const auto scope = compute_.scope(Work::elementwise);
  norm_->forward({.x = middle_before,
                  .branch = layer_.branch(),
                  .sum = last_sum(),
                  .weight = weight,
                  .epsilon = options_.epsilon,
                  .y = hidden(),
                  .inverse_rms = inverse_rms()});
  return hidden();
}

std::int64_t Body::bytes() const {
  return layer_.bytes() + activations_.bytes() + last_sum_.bytes() + hidden_.bytes() + inverse_rms_.bytes();
}

}  // namespace ringworld
