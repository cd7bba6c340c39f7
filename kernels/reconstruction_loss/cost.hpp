#pragma once
/// @file  The cost of the reconstruction loss: N frames of E elements. Absolute values and signs, like comparisons,
/// count for nothing, and so does what is computed once a call.

#include "kernels/reconstruction_loss/reconstruction_loss.hpp"

namespace ringworld {

/// 4 N E FLOP, and 2 N E more where the gradient is wanted. Bytes: reconstruction and target, 8 N E; the gradient
/// where it is wanted, 4 N E; the sums, 8 N.
[[nodiscard]] Cost cost_of(const ReconstructionLossPass& pass);

}  // namespace ringworld
