#pragma once
/// @file  A training step whose numbers mean nothing: for kernels that compute nothing.

#include <cstdint>

#include "model/model.hpp"
#include "model/parameters.hpp"
#include "train/adamw_shards.hpp"

namespace ringworld {

/// What a step of the trainer does: `passes` times forward and backward, the sums of gradients and an update. Every
/// token is the vocabulary's first, and has a target. Collective over the mesh of `parameters`.
void take_phantom_step(ShardedParameters& parameters, AdamWShards& optimizer, Model& model, std::int64_t passes);

}  // namespace ringworld
