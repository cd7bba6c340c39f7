#pragma once
/// @file  AdamW on sharded parameters, with clipping by the norm of all gradients together.

#include <memory>
#include <span>

#include "kernels/optimizer/optimizer.hpp"
#include "model/parameters.hpp"

namespace ringworld {

struct AdamWSettings {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;  ///< decay of all matrices except the embedding
  double clip = 1.0;          ///< largest norm of all gradients after clipping; 0: no clipping
  bool decays_all = false;    ///< also embedding, norms and biases, as LWM does
};

/// @throws Error(bad_input) naming the first invalid value.
void validate(const AdamWSettings& settings);

/// The moments of this rank's shard, and the update.
class AdamWShards {
 public:
  /// `parameters` must outlive this, and lie where `backend` computes. The moments are 0.
  AdamWShards(ShardedParameters& parameters, const AdamWSettings& settings, Backend backend, int threads = 1);

  /// Euclidean norm of the gradients of the whole model: each element once, whatever ranks hold copies of it.
  /// Collective over the mesh. @pre ShardedParameters::finish_gradients
  [[nodiscard]] double gradient_norm();

  /// One update; gradients are scaled so that `norm` does not exceed the clip.
  void step(double learning_rate, double norm);

  /// Moments of a piece, in the piece's order and where its parameters lie.
  [[nodiscard]] std::span<float> first_moment(const ParameterPiece& piece) { return of(first_, piece); }
  [[nodiscard]] std::span<float> second_moment(const ParameterPiece& piece) { return of(second_, piece); }

  /// Number of updates since the moments were 0.
  [[nodiscard]] std::int64_t updates() const { return updates_; }
  void set_updates(std::int64_t updates) { updates_ = updates; }

  /// Resets moments and step count to 0.
  void forget();

 private:
  [[nodiscard]] std::span<float> of(const Buffer& moments, const ParameterPiece& piece);

  ShardedParameters& parameters_;
  AdamWSettings settings_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<TensorOps> tensors_;
  Communicator shards_;  // fsdp, tp, sp: who together hold every gradient
  Buffer first_;
  Buffer second_;
  std::int64_t updates_ = 0;
};

}  // namespace ringworld
