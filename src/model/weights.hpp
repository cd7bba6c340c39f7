#pragma once
/// @file  How a forward pass gets the weights of a model: gathered from the shards unit by unit, or held whole on each
/// rank.
/// Shapes: C hidden_size, V rows of the vocabulary that this tp rank has, its parts one below the other.

#include <span>
#include <vector>

#include "core/dtype.hpp"
#include "model/compute.hpp"
#include "model/layer.hpp"
#include "model/parameters.hpp"

namespace ringworld {

/// The weights of one tp rank, in the order in which a pass reads them. What a call returns is valid until the next.
class WeightSource {
 public:
  virtual ~WeightSource() = default;
  /// (V, C), fp32 or the type of the activations. Begins a pass.
  [[nodiscard]] virtual ConstRowsView embedding() = 0;
  [[nodiscard]] virtual LayerWeights layer(std::int64_t index) = 0;
  /// (C)
  [[nodiscard]] virtual std::span<const float> final_norm() = 0;
  /// (V, C), in the type of the activations.
  [[nodiscard]] virtual const void* head() = 0;
};

/// Gathers each unit when a pass needs it, and prefetches the next one. Collective over the ranks that share the
/// parameters.
class GatheredWeights final : public WeightSource {
 public:
  /// @param dtype  of the activations     @param parameters, compute  must outlive this
  GatheredWeights(ShardedParameters& parameters, DType dtype, Compute& compute);

  [[nodiscard]] ConstRowsView embedding() override;
  [[nodiscard]] LayerWeights layer(std::int64_t index) override { return layer(index, index + 1); }
  [[nodiscard]] std::span<const float> final_norm() override { return final_norm(-1); }
  [[nodiscard]] const void* head() override { return head(-1); }

  // For passes that go backward: `next` is the unit that is started as soon as this one is here, negative for none.
  /// @param next  of the layers
  [[nodiscard]] LayerWeights layer(std::int64_t index, std::int64_t next_layer);
  [[nodiscard]] std::span<const float> final_norm(std::int64_t next);
  [[nodiscard]] const void* head(std::int64_t next);

  [[nodiscard]] std::int64_t bytes() const { return copy_.bytes(); }

 private:
  [[nodiscard]] std::span<const float> gather(std::int64_t unit, std::int64_t next);
  /// The unit in the type of the activations: itself, or a rounded copy.
  [[nodiscard]] const void* convert(std::span<const float> unit);

  ShardedParameters& parameters_;
  DType dtype_;
  Compute& compute_;
  Buffer copy_;  // bf16: the largest unit
};

/// All weights of this tp rank, in the type of the activations; norms and biases in fp32. For decoding, where each
/// token reads all of them.
class HeldWeights final : public WeightSource {
 public:
  /// Gathers them. Collective over the ranks that share the parameters.
  /// @throws Error(out_of_memory)
  HeldWeights(ShardedParameters& parameters, DType dtype, Compute& compute);

  [[nodiscard]] ConstRowsView embedding() override { return embedding_; }
  [[nodiscard]] LayerWeights layer(std::int64_t index) override { return layers_[static_cast<std::size_t>(index)]; }
  [[nodiscard]] std::span<const float> final_norm() override { return final_norm_; }
  [[nodiscard]] const void* head() override { return head_; }

 private:
  void copy(std::span<const float> values, void* to, DType dtype);

  Compute& compute_;
  std::vector<Buffer> memory_;  // of each unit, in the type of the activations
  std::vector<Buffer> floats_;  // its norms and biases
  ConstRowsView embedding_;
  std::vector<LayerWeights> layers_;
  std::span<const float> final_norm_;
  const void* head_ = nullptr;
};

}  // namespace ringworld
