#pragma once
/// @file  One transformer layer, forward and backward; one object serves all layers of a model.
/// Shapes: rows B * T of this rank, C hidden_size, H / Hkv heads of this tp rank, D head_size, F ffn_size of this rank.
///
///   x = middle_before + branch_before                     dx --------------------------------------+
///   normed = norm(x)                                      dgate_up, dW_down, dW_gate_up  by chunk   |
///   qkv = normed W_qkv^T + b, [norm,] RoPE on q and k     dnormed  --sum tp-->  norm backward  -- + -- dx
///   attention = ring attention(q, k, v)                   dattention = dx W_o, dW_o                 |
///   middle = x + [attention W_o^T, sum tp]                dq, dk, dv, RoPE back, [norm,] dW_qkv     |
///   branch = [swiglu(norm(middle) W_gate_up^T) W_down^T]  dnormed  --sum tp-->  norm backward  -- + -- dx

#include <memory>

#include "comm/communicator.hpp"
#include "kernels/norm/norm.hpp"
#include "kernels/rope/rope.hpp"
#include "kernels/swiglu/swiglu.hpp"
#include "model/activations.hpp"
#include "model/compute.hpp"
#include "model/layer_attention.hpp"
#include "model/linear.hpp"
#include "model/parameter_layout.hpp"

namespace ringworld {

/// Where the weights of a layer are, in the type of the activations; norms and biases are fp32.
struct LayerWeights {
  std::span<const float> norm;
  const void* qkv = nullptr;          ///< ((H + 2 Hkv) D, C)
  std::span<const float> qkv_bias;    ///< empty without biases
  std::span<const float> query_norm;  ///< (D), of every head; empty where heads are not normalised
  std::span<const float> key_norm;    ///< as query_norm
  const void* o = nullptr;            ///< (C, H D)
  std::span<const float> middle_norm;
  const void* gate_up = nullptr;  ///< (2 F, C)
  const void* down = nullptr;     ///< (C, F)
};

/// Accumulators of the gradients of these weights.
struct LayerGradients {
  std::span<float> norm;
  float* qkv = nullptr;
  std::span<float> qkv_bias;
  std::span<float> query_norm;
  std::span<float> key_norm;
  float* o = nullptr;
  std::span<float> middle_norm;
  float* gate_up = nullptr;
  float* down = nullptr;
};

/// @param fp32 the unit's flat parameters     @param weights the same in the type of the activations
[[nodiscard]] LayerWeights view_layer_weights(const UnitLayout& unit, std::span<const float> fp32, const void* weights,
                                              DType dtype);
[[nodiscard]] LayerGradients view_layer_gradients(const UnitLayout& unit, std::span<float> gradient);

struct LayerOptions {
  LocalShape shape;
  float epsilon = 0;
  RopePairing rope_pairing = RopePairing::interleaved;
  std::int64_t ffn_chunk = 1024;
  bool is_forward_only = false;
};

class TransformerLayer {
 public:
  /// `compute` and `attention`, of one backend, must outlive this.
  TransformerLayer(const LayerOptions& options, Compute& compute, LayerAttention& attention, Communicator tp);

  /// Operands of the batch that every pass needs, and the index of the layer.
  struct Pass {
    std::int64_t layer = 0;
    TensorView<const float, 2> cosine;               ///< (T, D / 2)
    TensorView<const float, 2> sine;                 ///< (T, D / 2)
    TensorView<const std::int32_t, 2> document_ids;  ///< (B, T), or null
    TensorView<const float, 2> query_cosine{};       ///< of queries, if they have another table than keys; else null
    TensorView<const float, 2> query_sine{};
  };

  /// `middle_before` + `branch` is the layer's input, which is written to `kept.x`; with a null `middle_before` it is
  /// there already. Overwrites `branch` by this layer's: its output is `kept.middle` + `branch`.
  void forward(const Pass& pass, const LayerWeights& weights, const LayerActivations& kept,
               const ConstRowsView& middle_before, const RowsView& branch);
  /// Recomputes the activations that were not kept, from `kept.x` and, if attention is kept, from its result.
  void recompute(const Pass& pass, const LayerWeights& weights, const LayerActivations& kept, bool is_attention_kept);
  /// Replaces the gradient of the layer's output by the gradient of its input, in place.
  void backward(const Pass& pass, const LayerWeights& weights, const LayerGradients& gradients,
                const LayerActivations& kept, const RowsView& dx);

  /// Scratch (rows, C) for a branch; unused between passes over layers.
  [[nodiscard]] const RowsView& branch() const { return branch_; }
  /// rows * C floats for sums over tp in bf16, else null.
  [[nodiscard]] float* tp_scratch() const { return tp_scratch_.as<float>(); }
  [[nodiscard]] std::int64_t bytes() const;

 private:
  void project_qkv(const Pass& pass, const LayerWeights& weights, const LayerActivations& kept);
  void normalise_heads(const LayerWeights& weights, const LayerActivations& kept);
  void attend(const Pass& pass, const LayerActivations& kept);
  void join_attention(const LayerWeights& weights, const LayerActivations& kept, const RowsView& branch);
  /// Where the inputs of SwiGLU of some rows lie: with the layer's activations, or in scratch memory.
  [[nodiscard]] RowsView gate_up_of(const LayerActivations& kept, std::int64_t begin, std::int64_t count) const;
  void feed_forward(const LayerWeights& weights, const LayerActivations& kept, const RowsView& branch);
  void backward_feed_forward(const LayerWeights& weights, const LayerGradients& gradients, const LayerActivations& kept,
                             const RowsView& dx);
  void backward_attention(const Pass& pass, const LayerActivations& kept, const RowsView& dattention);
  /// Replaces the gradients of normalised queries and keys by those of what was normalised.
  void backward_head_norms(const LayerWeights& weights, const LayerGradients& gradients, const LayerActivations& kept,
                           const RowsView& dqkv);
  void backward_norm(std::span<const float> weight, std::span<float> dweight, const RowsView& x,
                     std::span<const float> inverse_rms, const RowsView& dnormed, const RowsView& dx);
  void normalise(const RmsNormForward& norm);
  void rotate(const Pass& pass, const ActivationView& x, RopeDirection direction);
  void rotate_queries(const Pass& pass, const ActivationView& x, RopeDirection direction);
  void sum_over_tp(const RowsView& rows);
  [[nodiscard]] ActivationView heads_of(const RowsView& rows, std::int64_t column, std::int64_t heads) const;

  LayerOptions options_;
  Compute& compute_;
  Linear linear_;
  LayerAttention& attention_;
  Communicator tp_;
  std::unique_ptr<RmsNorm> norm_;
  std::unique_ptr<Rope> rope_;
  std::unique_ptr<SwiGlu> swiglu_;
  Buffer branch_memory_;
  RowsView branch_;  // also gradients of normed activations
  Buffer gate_up_;   // (chunk, 2 F)
  Buffer inner_;     // (chunk, F), gradient of what the down projection reads
  Buffer tp_scratch_;
  Buffer dattention_;    // (rows, H D)
  Buffer dqkv_;          // (rows, (H + 2 Hkv) D)
  Buffer dq_, dk_, dv_;  // fp32
  Buffer delta_;
  Buffer head_norm_sums_;  // (2, D), gradients of the weights of the norms of query and key heads
};

}  // namespace ringworld
