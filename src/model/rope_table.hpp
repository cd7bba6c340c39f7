#pragma once
/// @file  The cosines and sines of some positions, where kernels read them.
/// Shapes: T positions, D head size.

#include <cmath>
#include <cstdint>
#include <span>

#include "kernels/rope/rope.hpp"
#include "model/compute.hpp"
#include "model/config.hpp"

namespace ringworld {

/// What the angles of a sequence depend on besides the model and its positions.
struct RopeUse {
  double theta = 0;
  const RopeScaling* scaling = nullptr;  ///< null: the model's own
  std::int64_t context_length = 0;       ///< tokens of the sequence, those still to come among them
  /// Positions from it on turn and grow, by log(position + 1) / log(log_length); 0: none grows.
  std::int64_t log_length = 0;
};

class RopeTable {
 public:
  RopeTable(const Compute& compute, std::int64_t positions, std::int64_t head_size)
      : shape_{positions, head_size / 2}, values_(compute.allocate_dual<float>(2 * element_count(shape_))) {}

  /// @param positions  as many as the table has rows
  void build(const ModelConfig& config, const RopeUse& use, std::span<const std::int64_t> positions) {
    const std::int64_t half = element_count(shape_);
    float* first = values_.edit(2 * half).data();
    build_rope_table(positions,
                     {.head_size = config.head_size,
                      .theta = use.theta,
                      .precision = config.rope_precision,
                      .scaling = use.scaling == nullptr ? config.rope_scaling : *use.scaling,
                      .context_length = use.context_length},
                     {first, shape_}, {first + half, shape_});
    for (std::size_t row = 0; use.log_length > 0 && row < positions.size(); ++row) {
      const double growth =
          std::log(static_cast<double>(positions[row] + 1)) / std::log(static_cast<double>(use.log_length));
      for (float* table = first; growth > 1 && table <= first + half; table += half) {
        for (std::int64_t pair = 0; pair < shape_[1]; ++pair) {
          table[static_cast<std::int64_t>(row) * shape_[1] + pair] *= static_cast<float>(growth);
        }
      }
    }
    values_.upload(2 * half);
  }

  [[nodiscard]] TensorView<const float, 2> cosine() const { return {part(0), shape_}; }
  [[nodiscard]] TensorView<const float, 2> sine() const { return {part(element_count(shape_)), shape_}; }
  [[nodiscard]] std::int64_t bytes() const { return values_.bytes(); }

 private:
  [[nodiscard]] const float* part(std::int64_t begin) const {
    return values_.device(2 * element_count(shape_)).data() + begin;
  }

  std::array<std::int64_t, 2> shape_;  ///< (T, D / 2)
  DualArray<float> values_;            ///< cosines, then sines
};

}  // namespace ringworld
