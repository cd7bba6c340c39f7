#pragma once
/// @file  The cost of cross-entropy: T tokens, V columns of fp32 logits. Exponentials and logarithms count as one FLOP
/// each, comparisons as none; numbers of which there is one a token count for no bytes. Every token counts as having a
/// target.

#include "kernels/loss/loss.hpp"

namespace ringworld {

/// T (3 V + 3) FLOP. Bytes: the logits, 4 T V.
[[nodiscard]] Cost cost_of(const CrossEntropyForward& pass);

/// T (6 V + 3) FLOP. Bytes: the logits, and their gradients in the same place, 8 T V.
[[nodiscard]] Cost cost_of(const CrossEntropyBackward& pass);

enum class ShardStep : std::uint8_t { maximum, exponentials, gradient };

/// maximum: no FLOP, the logits are read, 4 T V bytes. exponentials and gradient: 3 T V FLOP each, the logits are read
/// and written, 8 T V bytes.
[[nodiscard]] Cost cost_of(const CrossEntropyShard& shard, ShardStep step);

}  // namespace ringworld
