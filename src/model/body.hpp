#pragma once
/// @file  Embedding, layers and last norm of one shape of rows: what training, scoring and decoding share.
/// Shapes: rows B * T, C hidden_size.

#include <memory>
#include <span>

#include "comm/communicator.hpp"
#include "kernels/embedding/embedding.hpp"
#include "model/activations.hpp"
#include "model/layer.hpp"
#include "model/weights.hpp"

namespace ringworld {

struct BodyOptions {
  LocalShape shape;
  std::int64_t layers = 0;
  float epsilon = 0;
  RopePairing rope_pairing = RopePairing::interleaved;
  std::int64_t ffn_chunk = 1024;
  Recomputation recomputation = Recomputation::none;
  bool is_forward_only = false;
};

/// Owns all memory that a pass over its rows needs.
class Body {
 public:
  /// `compute` and `attention` must outlive this. @throws Error(out_of_memory)
  Body(const BodyOptions& options, Compute& compute, LayerAttention& attention, const Communicator& tp);

  /// Collective over tp, over the ranks of `attention` and over those of `weights`.
  /// @param table_rows (rows), of the embedding's table on this rank, where kernels read them; negative: another tp
  /// rank holds the token
  /// @return (rows, C), after the last norm; valid until the next pass
  RowsView forward(std::span<const std::int32_t> table_rows, TransformerLayer::Pass pass, WeightSource& weights);

  [[nodiscard]] TransformerLayer& layer() { return layer_; }
  [[nodiscard]] const LayerActivations& activations(std::int64_t layer) const { return activations_.layer(layer); }
  /// (rows, C), output of the last layer.
  [[nodiscard]] RowsView last_sum() const { return rows_of(last_sum_); }
  /// (rows, C), after the last norm.
  [[nodiscard]] RowsView hidden() const { return rows_of(hidden_); }
  /// (rows), inverse RMS of the last norm's input.
  [[nodiscard]] std::span<float> inverse_rms() const {
    return {inverse_rms_.as<float>(), static_cast<std::size_t>(options_.shape.rows())};
  }
  [[nodiscard]] RmsNorm& norm() { return *norm_; }
  [[nodiscard]] Embedding& embedding() { return *embedding_; }
  [[nodiscard]] std::int64_t bytes() const;

 private:
  [[nodiscard]] RowsView rows_of(const Buffer& buffer) const {
    return {buffer.data(), options_.shape.dtype, {options_.shape.rows(), options_.shape.hidden_size}};
  }

  BodyOptions options_;
  Compute& compute_;
  Communicator tp_;
  std::unique_ptr<Embedding> embedding_;
  std::unique_ptr<RmsNorm> norm_;
  TransformerLayer layer_;
  ActivationStore activations_;
  Buffer last_sum_;
  Buffer hidden_;
  Buffer inverse_rms_;
};

}  // namespace ringworld
