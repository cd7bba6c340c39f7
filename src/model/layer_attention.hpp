#pragma once
/// @file  What a layer asks of attention, and the two that answer: a ring over a whole sequence, and caches.

#include "model/key_value_cache.hpp"
#include "ring/ring_attention.hpp"

namespace ringworld {

/// Attention of the tokens that a layer computes. Collective over sp.
class LayerAttention {
 public:
  virtual ~LayerAttention() = default;
  virtual void forward(std::int64_t layer, const RingForward& pass) = 0;
  /// @throws Error(internal) where there is no backward pass.
  virtual void backward(std::int64_t layer, const RingBackward& pass) = 0;
};

/// All tokens of a sequence, which attend to each other round the ring.
class SequenceAttention final : public LayerAttention {
 public:
  /// Both must outlive this.
  /// @param cache  receives this rank's keys and values; null: nobody keeps them
  explicit SequenceAttention(RingAttention& ring, KeyValueCache* cache = nullptr) : ring_(ring), cache_(cache) {}

  void forward(std::int64_t layer, const RingForward& pass) override;
  void backward(std::int64_t layer, const RingBackward& pass) override;

 private:
  RingAttention& ring_;
  KeyValueCache* cache_;
};

/// One new token a sequence, the same on every rank, which attends to the caches of all of them.
class CachedAttention final : public LayerAttention {
 public:
  /// `cache` must outlive this.
  explicit CachedAttention(KeyValueCache& cache) : cache_(cache) {}

  /// Whether this rank is the one that keeps the keys and values of the next token.
  void set_keeper(bool is_keeper) { is_keeper_ = is_keeper; }

  void forward(std::int64_t layer, const RingForward& pass) override;
  void backward(std::int64_t layer, const RingBackward& pass) override;

 private:
  KeyValueCache& cache_;
  bool is_keeper_ = false;
};

}  // namespace ringworld
