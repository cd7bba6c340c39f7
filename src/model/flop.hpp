#pragma once
/// @file  FLOP of the model, recomputation not counted (what a user of MFU expects).
/// Source: Chowdhery et al., "PaLM", arXiv:2204.02311, appendix B: training is 3 times the forward pass, 6 FLOP a
/// parameter and token, attention added. The embedding is a look-up and has none.

#include <cstdint>

#include "model/config.hpp"

namespace ringworld {

/// FLOP of the forward pass for one token of a sequence of `context_length` tokens, on average. Full convention: every
/// token attends to all S; causal: to (S + 1) / 2 on average.
/// @param head_fraction  share of the logits that are computed: of T tokens, each with V of them
[[nodiscard]] double forward_flop_per_token(const ModelConfig& config, std::int64_t context_length, bool is_causal,
                                            double head_fraction = 1.0);

/// The same for a training step: 3 times the forward pass.
[[nodiscard]] double training_flop_per_token(const ModelConfig& config, std::int64_t context_length, bool is_causal,
                                             double head_fraction = 1.0);

}  // namespace ringworld
