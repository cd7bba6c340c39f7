#pragma once
/// @file  The cost of RMSNorm: T rows, C columns, e bytes of an activation. Additions, multiplications, divisions and
/// roots count as one FLOP each. Weights, which are one row among thousands, count for no bytes.

#include "kernels/norm/norm.hpp"

namespace ringworld {

/// T (4 C + 4) FLOP, and T C more where a branch is added. Bytes: x and y, and branch and sum where a branch is added,
/// 2 or 4 e T C; the inverse RMS, 4 T.
[[nodiscard]] Cost cost_of(const RmsNormForward& pass);

/// T (11 C + 1) FLOP, and T C more where the residual gradient is added. Bytes: dy, x and dx, and the residual gradient
/// where it is added, 3 or 4 e T C; the inverse RMS, 4 T.
[[nodiscard]] Cost cost_of(const RmsNormBackward& pass);

}  // namespace ringworld
