#pragma once
/// @file  Bytes that training or evaluation of a model needs on one rank where its kernels compute, by kind, without
/// building it: closed formulas that the memory account of that device is held against.
/// Symbols: rows B T of this rank, e bytes of an activation, H, Hkv and F of one tp rank, W = (H + 2 Hkv) D.

#include <cstdint>

#include "comm/mesh.hpp"
#include "model/model.hpp"

namespace ringworld {

/// Of the rank that holds most; optimiser state (2 floats an element of the shard in AdamW) is the trainer's.
struct ModelMemory {
  std::int64_t parameters = 0;  ///< fp32 shard
  std::int64_t gradients = 0;   ///< fp32 shard
  std::int64_t gathered = 0;    ///< whole units on their way: two of parameters, two of gradients; the bf16 copy of one
  std::int64_t activations = 0;  ///< kept from the forward to the backward pass, by recomputation policy
  std::int64_t scratch = 0;      ///< one layer's, one chunk of logits, the batch and its scores; of a GPU its kernels'
  std::int64_t attention = 0;    ///< running state or blocks of the ring, and the kernel's scratch memory

  [[nodiscard]] std::int64_t total() const {
    return parameters + gradients + gathered + activations + scratch + attention;
  }
};

/// @throws Error(bad_input) as ParameterLayout and Model do.
[[nodiscard]] ModelMemory model_memory(const ModelConfig& config, const MeshShape& mesh, const ModelOptions& options);

/// Floats of one rank's shard of the parameters, padding included.
[[nodiscard]] std::int64_t parameter_shard_elements(const ModelConfig& config, const MeshShape& mesh);

}  // namespace ringworld
