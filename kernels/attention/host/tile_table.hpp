#pragma once
/// @file  The table of inner operations over one kind of register and word.

#include "kernels/attention/host/pack.hpp"
#include "kernels/attention/host/product.hpp"
#include "kernels/attention/host/softmax.hpp"

namespace ringworld::host_attention {
namespace {

/// @tparam Registers  for the sums of a product; the rest holds a row of b and one word of a
/// @tparam Columns    registers in a row of the sums
template <class W, int Registers, int Columns>
constexpr TileKernels make_tile_kernels() {
  constexpr bool is_paired = W::depth_per_word == 2;
  return {.depth_per_word = W::depth_per_word,
          .pack = is_paired ? &pack_column_pairs : &pack_floats,
          .pack_row_depth = is_paired ? &pack_row_pairs : &pack_finite_floats,
          .transpose = &transpose,
          .multiply = &multiply<W, Registers, Columns>,
          .softmax = &softmax<W>,
          .gradient = &gradient<W>};
}

}  // namespace
}  // namespace ringworld::host_attention
