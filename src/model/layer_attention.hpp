#pragma once
/// @file  The attention interface of a layer, and its two implementations: over a whole sequence, or over key/value
/// caches.

#include "model/key_value_cache.hpp"
#include "sequence/sequence_attention.hpp"

namespace ringworld {

/// Attention of the tokens that a layer computes. Collective over sp.
class LayerAttention {
 public:
  virtual ~LayerAttention() = default;
  virtual void forward(std::int64_t layer, const SequenceForward& pass) = 0;
  /// @throws Error(internal) when this implementation has no backward pass.
  virtual void backward(std::int64_t layer, const SequenceBackward& pass) = 0;
};

/// All tokens of a sequence, which attend to each other.
class WholeSequence final : public LayerAttention {
 public:
  /// Both must outlive this.
  /// @param cache  receives this rank's keys and values; null: they are not kept
  explicit WholeSequence(SequenceAttention& attention, KeyValueCache* cache = nullptr)
      : attention_(attention), cache_(cache) {}

  void forward(std::int64_t layer, const SequenceForward& pass) override;
  void backward(std::int64_t layer, const SequenceBackward& pass) override;

 private:
  SequenceAttention& attention_;
  KeyValueCache* cache_;
};

/// One new token a sequence, the same on every rank, which attends to the caches of all of them.
class CachedSequence final : public LayerAttention {
 public:
  /// `cache` must outlive this.
  explicit CachedSequence(KeyValueCache& cache) : cache_(cache) {}

  /// Whether this rank is the one that keeps the keys and values of the next token.
  void set_keeper(bool is_keeper) { is_keeper_ = is_keeper; }

  void forward(std::int64_t layer, const SequenceForward& pass) override;
  void backward(std::int64_t layer, const SequenceBackward& pass) override;

 private:
  KeyValueCache& cache_;
  bool is_keeper_ = false;
};

}  // namespace ringworld
