#pragma once
/// @file  The cost of group normalisation: N frames, E elements (N H W C), G groups. An exponential counts as one FLOP.
/// Scale and bias, which are one number a channel among thousands of pixels, count for no bytes.

#include "kernels/group_norm/group_norm.hpp"

namespace ringworld {

/// 8 E + 5 N G FLOP, and 3 E more with SiLU. Bytes: x and y, 8 E; mean and rstd, 8 N G.
[[nodiscard]] Cost cost_of(const GroupNormForward& pass);

/// 13 E + 2 N G FLOP; 10 E more with SiLU, whose gradient needs u again; E more where dx is added to. Bytes: dy, x and
/// dx, 12 E, and dx once more where it is added to, 4 E; mean and rstd, 8 N G.
[[nodiscard]] Cost cost_of(const GroupNormBackward& pass);

}  // namespace ringworld
