#pragma once
/// @file  The cost of SwiGLU: T rows, F columns, e bytes of an activation. An exponential counts as one FLOP.

#include "kernels/swiglu/swiglu.hpp"

namespace ringworld {

/// 4 T F FLOP. Bytes: gate, up and y, 3 e T F.
[[nodiscard]] Cost cost_of(const SwiGluForward& pass);

/// 11 T F FLOP, and 2 T F more where y is computed again. Bytes: dy, gate, up, dgate and dup, and y where it is wanted,
/// 5 or 6 e T F.
[[nodiscard]] Cost cost_of(const SwiGluBackward& pass);

}  // namespace ringworld
