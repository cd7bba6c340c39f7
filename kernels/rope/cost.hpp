#pragma once
/// @file  The cost of rotary position embedding: B batch, T tokens, H heads, D head size, e bytes of an activation.

#include "kernels/rope/rope.hpp"

namespace ringworld {

/// 6 FLOP a pair: 3 B T H D. Bytes: x read and written, 2 e B T H D; the table of cosines and sines, 4 D bytes a row.
[[nodiscard]] Cost cost_of(const RopeRotation& rotation);

}  // namespace ringworld
