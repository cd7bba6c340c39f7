#pragma once
/// @file  The cost of the optimizer per parameter.

#include "kernels/optimizer/optimizer.hpp"

namespace ringworld {

/// 15 FLOP a parameter, with the factors of a step worked out before (`factors_of`). Bytes: the gradient once, the
/// parameter and two moments read and written, 28 a parameter; 2 more where a bf16 copy is written.
[[nodiscard]] Cost cost_of(const AdamWRange& range);

/// The sum of squares: 2 FLOP and 4 bytes a number.
[[nodiscard]] Cost cost_of(std::span<const std::span<const float>> ranges);

}  // namespace ringworld
