#pragma once
/// @file  What the model does with whole activations beside the kernels: biases, changes of type, sums over ranks.

#include <span>

#include "comm/communicator.hpp"
#include "kernels/row/rows_view.hpp"

namespace ringworld {

/// Adds `bias` (C) to every row of y (T, C).
void add_bias(const RowsView& y, std::span<const float> bias);

/// dbias (C) += sum over rows of dy (T, C).
void add_bias_gradient(const ConstRowsView& dy, std::span<float> dbias);

/// Copies rows, rounding or widening where the types differ.
void copy_rows(const ConstRowsView& from, const RowsView& to);

/// Replaces `rows` by their sum over the ranks; of bf16, the sum is taken in fp32. Blocks.
/// @param scratch  rows * columns floats for bf16; unused, may be null, for fp32, whose rows must be dense
void sum_over_ranks(const Communicator& communicator, const RowsView& rows, float* scratch);

}  // namespace ringworld
