#include "model/activations.hpp"

namespace ringworld {
namespace {

/// Hands out memory that `buffers` keep.
class Allocator {
 public:
  Allocator(const LocalShape& shape, DeviceKind memory, std::vector<Buffer>& buffers)
      : shape_(shape), memory_(memory), buffers_(buffers) {}

  RowsView rows(std::int64_t columns) {
    Buffer& buffer =
        buffers_.emplace_back(shape_.rows() * columns * size_of(shape_.dtype), memory_, MemoryUse::activations);
    return {buffer.data(), shape_.dtype, {shape_.rows(), columns}};
  }
  float* floats(std::int64_t count) {
    return buffers_.emplace_back(count * static_cast<std::int64_t>(sizeof(float)), memory_).as<float>();
  }

  void make_input(LayerActivations& layer) { layer.x = rows(shape_.hidden_size); }

  void make_attention(LayerActivations& layer) {
    layer.attention = rows(shape_.query_size());
    const std::array numbers{shape_.batch, shape_.heads, shape_.tokens};
    layer.maximum = {floats(element_count(numbers)), numbers};
    layer.sum = {floats(element_count(numbers)), numbers};
  }

  void make_rest(LayerActivations& layer, bool is_forward_only) {
    const auto count = static_cast<std::size_t>(shape_.rows());
    layer.normed = rows(shape_.hidden_size);
    layer.inverse_rms = {floats(shape_.rows()), count};
    layer.qkv = rows(shape_.qkv_size());
    if (shape_.has_query_key_norm) {
      const std::int64_t heads = is_forward_only ? 1 : shape_.heads + shape_.kv_heads;
      layer.head_norms.inverse_rms = {floats(heads * shape_.rows()), count * static_cast<std::size_t>(heads)};
      layer.head_norms.input = is_forward_only ? RowsView() : rows(shape_.query_size() + shape_.key_size());
    }
    layer.middle = rows(shape_.hidden_size);
    layer.middle_normed = rows(shape_.hidden_size);
    layer.middle_inverse_rms = {floats(shape_.rows()), count};
  }

  void make_feed_forward(LayerActivations& layer) { layer.gate_up = rows(2 * shape_.ffn_size); }

 private:
  const LocalShape& shape_;
  DeviceKind memory_;
  std::vector<Buffer>& buffers_;
};

}  // namespace

ActivationStore::ActivationStore(const LocalShape& shape, std::int64_t layers, Recomputation recomputation,
                                 bool is_forward_only, DeviceKind memory) {
  Allocator allocator(shape, memory, buffers_);
  LayerActivations layer;
  for (std::int64_t index = 0; index < layers; ++index) {
    const bool is_first = index == 0;
    // Buffers that are not allocated here are shared with the layer before.
    if (is_first || !is_forward_only) {
      allocator.make_input(layer);
    }
    if (is_first || (!is_forward_only && recomputation != Recomputation::full)) {
      allocator.make_attention(layer);
    }
    if (is_first || (!is_forward_only && !recomputes_layers(recomputation))) {
      allocator.make_rest(layer, is_forward_only);
    }
    if (!is_forward_only && recomputation == Recomputation::ffn_saved) {
      allocator.make_feed_forward(layer);
    }
    layers_.push_back(layer);
  }
}

std::int64_t ActivationStore::bytes() const {
  std::int64_t total = 0;
  for (const Buffer& buffer : buffers_) {
    total += buffer.bytes();
  }
  return total;
}

}  // namespace ringworld
