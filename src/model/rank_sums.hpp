#pragma once
/// @file  Sums of activations over tensor-parallel ranks.

#include "comm/communicator.hpp"
#include "kernels/elementwise/rows_view.hpp"
#include "model/compute.hpp"

namespace ringworld {

/// Replaces `rows` by their sum over the ranks; of bf16, the sum is taken in fp32. Collective over `communicator`.
/// @param scratch  rows * columns floats for bf16; unused, may be null, for fp32, whose rows must be dense
void sum_over_ranks(const Communicator& communicator, const RowsView& rows, float* scratch, Compute& compute);

}  // namespace ringworld
