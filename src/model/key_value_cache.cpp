#include "model/key_value_cache.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "comm/collectives.hpp"
#include "core/error.hpp"

namespace ringworld {
namespace {

void require_like(const ConstActivationView& view, DType dtype, const std::array<std::int64_t, 4>& shape) {
  require(view.dtype == dtype && view.shape == shape, "key/value cache: operand of another shape or type");
}

/// Of fp32 numbers, or of document ids.
std::int64_t word_bytes(std::int64_t count) { return count * 4; }

}  // namespace

KeyValueCache::KeyValueCache(Communicator ring, const CacheShape& shape, Backend backend, int threads)
    : ring_(std::move(ring)),
      shape_(shape),
      place_(device_of(backend)),
      rows_(shape.batch * shape.heads),
      kernel_(make_block_attention(backend, {.head_size = shape.head_size,
                                             .scale = 1.0F / std::sqrt(static_cast<float>(shape.head_size)),
                                             .threads = threads})),
      tensors_(make_tensor_ops(backend, {.threads = threads})),
      memory_(shape.layers * 2 * shape.batch * shape.capacity * shape.kv_heads * shape.head_size * size_of(shape.dtype),
              place_),
      counts_(static_cast<std::size_t>(shape.layers)),
      document_ids_(shape.has_documents ? word_bytes(shape.batch * shape.capacity) : 0, place_),
      maximum_(word_bytes(rows_), place_),
      maxima_(2 * rows_, place_),
      weights_(rows_, place_),
      seen_(rows_, place_),
      output_(word_bytes(rows_ * shape.head_size), place_),
      sums_(word_bytes(rows_ * (shape.head_size + 1)), place_) {}

void KeyValueCache::clear() { std::ranges::fill(counts_, 0); }

ActivationView KeyValueCache::stored(std::int64_t layer, bool is_value, std::int64_t begin, std::int64_t count) const {
  const std::int64_t token = shape_.kv_heads * shape_.head_size;
  const std::int64_t sequence = shape_.capacity * token;
  const std::int64_t first = (layer * 2 + (is_value ? 1 : 0)) * shape_.batch * sequence + begin * token;
  return {memory_.as<std::byte>() + first * size_of(shape_.dtype),
          shape_.dtype,
          {shape_.batch, count, shape_.kv_heads, shape_.head_size},
          {sequence, token, shape_.head_size, 1}};
}

TensorView<std::int32_t, 2> KeyValueCache::stored_documents(std::int64_t begin, std::int64_t count) const {
  return {document_ids_.as<std::int32_t>() + begin, {shape_.batch, count}, {shape_.capacity, 1}};
}

void KeyValueCache::append(std::int64_t layer, const ConstActivationView& k, const ConstActivationView& v,
                           const TensorView<const std::int32_t, 2>& document_ids) {
  const std::int64_t begin = tokens(layer);
  const std::int64_t count = k.shape[1];
  require(begin + count <= shape_.capacity, "key/value cache: no room for another token");
  for (const bool is_value : {false, true}) {
    const ConstActivationView& from = is_value ? v : k;
    require_like(from, shape_.dtype, {shape_.batch, count, shape_.kv_heads, shape_.head_size});
    tensors_->copy_activations(from, stored(layer, is_value, begin, count));
  }
  require_documents(document_ids, count);
  if (shape_.has_documents) {
    tensors_->copy_strided<std::int32_t>(document_ids, stored_documents(begin, count));
  }
  counts_[static_cast<std::size_t>(layer)] += count;
}

void KeyValueCache::require_documents(const TensorView<const std::int32_t, 2>& document_ids, std::int64_t count) const {
  require(shape_.has_documents ? document_ids.shape == std::array{shape_.batch, count} : document_ids.is_null(),
          "key/value cache: document ids must be (B, T) where it has documents, and null elsewhere");
}

/// Sums and outputs of all ranks under the maximum of all.
void KeyValueCache::sum_over_ring(const AttentionState& state) {
  const std::span<float> maximum(state.maximum.data, static_cast<std::size_t>(rows_));
  const std::span<float> both = maxima_.device(2 * rows_);
  tensors_->copy(std::span<const float>(maximum), both.data());
  all_reduce(ring_, maximum, Reduction::max, place_);
  tensors_->copy(std::span<const float>(maximum), both.data() + rows_);
  maxima_.download(2 * rows_);
  const std::span<const float> maxima = maxima_.read(2 * rows_);
  const std::span<float> weights = weights_.edit(rows_);
  const std::span<std::int32_t> seen = seen_.edit(rows_);
  for (std::size_t row = 0; row < weights.size(); ++row) {
    // A query that sees no token of this rank has -inf here, and weight 0; the maximum over the ring is finite.
    weights[row] = std::exp(maxima[row] - maxima[weights.size() + row]);
    seen[row] = maxima[row] == -std::numeric_limits<float>::infinity() ? -1 : static_cast<std::int32_t>(row);
  }
  const std::span<const float> factors = weights_.upload(rows_);
  const RowsView outputs{sums_.as<float>() + rows_, DType::float32, {rows_, shape_.head_size}};
  // Rows that see nothing become zeros, whatever their memory holds.
  tensors_->gather_rows(RowsView{state.output.data, DType::float32, {rows_, shape_.head_size}}, seen_.upload(rows_),
                        outputs);
  tensors_->scale_rows(factors, {state.sum.data, DType::float32, {rows_, 1}});
  tensors_->scale_rows(factors, outputs);
  all_reduce(ring_, {sums_.as<float>(), static_cast<std::size_t>(rows_ * (shape_.head_size + 1))}, Reduction::sum,
             place_);
}

void KeyValueCache::attend(std::int64_t layer, const ConstActivationView& q, const ActivationView& out,
                           const TensorView<const std::int32_t, 2>& document_ids) {
  const std::array<std::int64_t, 4> shape{shape_.batch, 1, shape_.heads, shape_.head_size};
  require_like(q, shape_.dtype, shape);
  require_like(out, shape_.dtype, shape);
  require_documents(document_ids, 1);
  const std::array<std::int64_t, 3> rows{shape_.batch, shape_.heads, 1};
  const std::array<std::int64_t, 4> outputs{shape_.batch, shape_.heads, 1, shape_.head_size};
  AttentionState state{.maximum = {maximum_.as<float>(), rows},
                       .sum = {sums_.as<float>(), rows},
                       .output = {output_.as<float>(), outputs}};
  kernel_->reset(state);
  if (const std::int64_t count = tokens(layer); count > 0) {
    BlockMask mask;
    if (shape_.has_documents) {
      mask.query_document_ids = document_ids;
      mask.key_document_ids = stored_documents(0, count);
    }
    kernel_->accumulate({.q = q, .k = stored(layer, false, 0, count), .v = stored(layer, true, 0, count), .mask = mask},
                        state, {});
  }
  if (ring_.size() > 1) {
    sum_over_ring(state);
    state.output = {sums_.as<float>() + rows_, outputs};
  }
  kernel_->finalize(state, out);
}

}  // namespace ringworld
