#include "eval/key_value_cache.hpp"

#include <algorithm>
#include <cmath>

#include "comm/collectives.hpp"
#include "core/error.hpp"

namespace ringworld {
namespace {

void require_float32(const ConstActivationView& view, const std::array<std::int64_t, 4>& shape) {
  require(view.dtype == DType::float32 && view.shape == shape, "key/value cache: operand of another shape or type");
}

}  // namespace

KeyValueCache::KeyValueCache(Communicator ring, const CacheShape& shape, Backend backend, int threads)
    : ring_(std::move(ring)),
      shape_(shape),
      kernel_(make_block_attention(backend, {.head_size = shape.head_size,
                                             .scale = 1.0F / std::sqrt(static_cast<float>(shape.head_size)),
                                             .threads = threads})),
      memory_(shape.layers * 2 * shape.batch * shape.capacity * shape.kv_heads * shape.head_size *
              static_cast<std::int64_t>(sizeof(float))),
      counts_(static_cast<std::size_t>(shape.layers)),
      maximum_(static_cast<std::size_t>(shape.batch * shape.heads)),
      sums_(static_cast<std::size_t>(shape.batch * shape.heads * (shape.head_size + 1))) {}

void KeyValueCache::clear() { std::ranges::fill(counts_, 0); }

ActivationView KeyValueCache::stored(std::int64_t layer, bool is_value, std::int64_t begin, std::int64_t count) const {
  const std::int64_t token = shape_.kv_heads * shape_.head_size;
  const std::int64_t sequence = shape_.capacity * token;
  float* first = memory_.as<float>() + (layer * 2 + (is_value ? 1 : 0)) * shape_.batch * sequence + begin * token;
  return {first,
          DType::float32,
          {shape_.batch, count, shape_.kv_heads, shape_.head_size},
          {sequence, token, shape_.head_size, 1}};
}

void KeyValueCache::append(std::int64_t layer, const ConstActivationView& k, const ConstActivationView& v) {
  const std::int64_t begin = tokens(layer);
  const std::int64_t count = k.shape[1];
  require(begin + count <= shape_.capacity, "key/value cache: no room for another token");
  for (const bool is_value : {false, true}) {
    const ConstActivationView& from = is_value ? v : k;
    require_float32(from, {shape_.batch, count, shape_.kv_heads, shape_.head_size});
    const ActivationView to = stored(layer, is_value, begin, count);
    for (std::int64_t b = 0; b < shape_.batch; ++b) {
      for (std::int64_t t = 0; t < count; ++t) {
        for (std::int64_t h = 0; h < shape_.kv_heads; ++h) {
          const float* source =
              static_cast<const float*>(from.data) + b * from.strides[0] + t * from.strides[1] + h * from.strides[2];
          float* target = static_cast<float*>(to.data) + b * to.strides[0] + t * to.strides[1] + h * to.strides[2];
          std::copy_n(source, shape_.head_size, target);
        }
      }
    }
  }
  counts_[static_cast<std::size_t>(layer)] += count;
}

void KeyValueCache::attend(std::int64_t layer, const ConstActivationView& q, const ActivationView& out) {
  const std::array<std::int64_t, 4> shape{shape_.batch, 1, shape_.heads, shape_.head_size};
  require_float32(q, shape);
  require_float32(out, shape);
  const std::size_t rows = maximum_.size();
  std::vector<float> mine(rows);
  const AttentionState state{.maximum = {mine.data(), {shape_.batch, shape_.heads, 1}},
                             .sum = {sums_.data(), {shape_.batch, shape_.heads, 1}},
                             .output = {sums_.data() + rows, {shape_.batch, shape_.heads, 1, shape_.head_size}}};
  kernel_->reset(state);
  if (tokens(layer) > 0) {
    kernel_->accumulate(
        {.q = q, .k = stored(layer, false, 0, tokens(layer)), .v = stored(layer, true, 0, tokens(layer)), .mask = {}},
        state, {});
  }
  std::ranges::copy(mine, maximum_.begin());
  all_reduce(ring_, maximum_, Reduction::max);
  const auto head_size = static_cast<std::size_t>(shape_.head_size);
  for (std::size_t row = 0; row < rows; ++row) {
    // A rank without tokens has -inf here, and weight 0; the maximum over the ring is finite.
    const float weight = std::exp(mine[row] - maximum_[row]);
    sums_[row] *= weight;
    for (std::size_t d = 0; d < head_size; ++d) {
      sums_[rows + row * head_size + d] *= weight;
    }
  }
  all_reduce(ring_, sums_, Reduction::sum);
  for (std::int64_t b = 0; b < shape_.batch; ++b) {
    for (std::int64_t h = 0; h < shape_.heads; ++h) {
      const auto row = static_cast<std::size_t>(b * shape_.heads + h);
      float* target = static_cast<float*>(out.data) + b * out.strides[0] + h * out.strides[2];
      for (std::size_t d = 0; d < head_size; ++d) {
        target[d] = sums_[rows + row * head_size + d] / sums_[row];
      }
    }
  }
}

}  // namespace ringworld
