#pragma once
/// @file  Memory of a rank in training, by kind, from shapes alone: what `--dry-run` prints and runs are held against.
/// Mirrors what ShardedParameters, AdamWShards and Model allocate; a test compares.

#include <cstdint>

#include "train/stage.hpp"

namespace ringworld {

/// Bytes of the rank that holds most.
struct TrainingMemory {
  std::int64_t parameters = 0;           ///< fp32 shard
  std::int64_t gradients = 0;            ///< fp32 shard
  std::int64_t moments = 0;              ///< two fp32 shards
  std::int64_t gathered_units = 0;       ///< whole units under way, their gradients, copies in the activations' type
  std::int64_t activations = 0;          ///< kept for the backward pass, by recomputation policy
  std::int64_t layer_workspace = 0;      ///< of the layer that is computed: feed-forward chunk, gradients of q, k, v
  std::int64_t head_workspace = 0;       ///< logits of a chunk, last hidden states
  std::int64_t attention_workspace = 0;  ///< running state, or blocks that travel; the kernel's scratch memory

  [[nodiscard]] std::int64_t total() const {
    return parameters + gradients + moments + gathered_units + activations + layer_workspace + head_workspace +
           attention_workspace;
  }
};

[[nodiscard]] TrainingMemory training_memory(const TrainingPlan& plan, const Stage& stage);

}  // namespace ringworld
