#pragma once
/// @file  The cost of up-sampling: E elements of the small frames, 4 E of the large ones.

#include "kernels/upsampling/upsampling.hpp"

namespace ringworld {

/// No FLOP. Bytes: both operands, 20 E.
[[nodiscard]] Cost cost_of(const UpsamplingForward& pass);

/// 3 E FLOP. Bytes: both operands, 20 E.
[[nodiscard]] Cost cost_of(const UpsamplingBackward& pass);

}  // namespace ringworld
