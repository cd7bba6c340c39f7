#pragma once
/// @file  The activations that a forward pass keeps for the backward pass, by recomputation policy.
///
///                       x    attention, maximum, sum    normed, qkv, middle, ...   gate_up
///   ffn_saved           own             own                     own                   own     own: one a layer
///   none                own             own                     own                   none    none: a chunk at a time
///   attention_saved     own             own                   shared                  none    shared: one for all,
///   full                own           shared                  shared                  none    filled again in the
///   forward only      shared          shared                  shared                  none    backward pass

#include <vector>

#include "device/buffer.hpp"
#include "kernels/elementwise/rows_view.hpp"
#include "model/model.hpp"
#include "model/shape.hpp"

namespace ringworld {

/// What the norms of query and key heads read and leave; rows are B * T.
struct HeadNorms {
  RowsView input;                ///< (rows, (H + Hkv) D), q and k before their norms; null in forward passes
  std::span<float> inverse_rms;  ///< (H + Hkv, rows); in forward passes one row for all heads

  [[nodiscard]] std::span<float> inverse_rms_of(std::int64_t head, std::int64_t rows) const {
    return inverse_rms.subspan(static_cast<std::size_t>(input.is_null() ? 0 : head * rows),
                               static_cast<std::size_t>(rows));
  }
};

/// Activations of one layer; rows are B * T.
struct LayerActivations {
  RowsView x;                           ///< (rows, C), input of the layer
  RowsView normed;                      ///< (rows, C), after the first norm
  std::span<float> inverse_rms;         ///< (rows), inverse RMS of the first norm's input
  RowsView qkv;                         ///< (rows, (H + 2 Hkv) D), q and k normalised, if the model does, and rotated
  HeadNorms head_norms;                 ///< of a model that normalises q and k
  RowsView attention;                   ///< (rows, H D), output of attention
  TensorView<float, 3> maximum;         ///< (B, H, T), maximum of the attention scores
  TensorView<float, 3> sum;             ///< (B, H, T), sum of the exponentials of the scores
  RowsView middle;                      ///< (rows, C), x + attention branch
  RowsView middle_normed;               ///< (rows, C), after the second norm
  std::span<float> middle_inverse_rms;  ///< (rows), inverse RMS of the second norm's input
  RowsView gate_up;                     ///< (rows, 2 F), input of SwiGLU; null unless kept
};

class ActivationStore {
 public:
  /// Allocates in `memory`. @throws Error(out_of_memory)
  ActivationStore(const LocalShape& shape, std::int64_t layers, Recomputation recomputation, bool is_forward_only,
                  DeviceKind memory);

  [[nodiscard]] const LayerActivations& layer(std::int64_t index) const {
    return layers_[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] std::int64_t bytes() const;

 private:
  std::vector<Buffer> buffers_;
  std::vector<LayerActivations> layers_;
};

}  // namespace ringworld
