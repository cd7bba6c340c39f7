#pragma once
/// @file  What a convolution holds of a GPU's memory while it works, and how its sums over pixels are cut.

#include <algorithm>
#include <cstdint>

#include "kernels/convolution/extents.hpp"

namespace ringworld {

/// Rows and columns of dweight that a block takes; few columns where there are few output channels.
inline constexpr std::int64_t cuda_convolution_tile_rows = 128;
[[nodiscard]] constexpr std::int64_t cuda_convolution_tile_columns(std::int64_t outputs) {
  return outputs <= 16 ? 16 : 64;
}

/// Ranges of pixels whose gradients are summed apart: by the shape alone, so that every GPU adds up in the same order.
/// There are enough for some 1024 blocks, and no range is shorter than 128 pixels.
[[nodiscard]] constexpr std::int64_t cuda_convolution_ranges(const ConvolutionExtents& extents) {
  constexpr std::int64_t blocks = 1024;
  constexpr std::int64_t fewest_pixels = 128;
  const std::int64_t columns = cuda_convolution_tile_columns(extents.outputs);
  // One row more than the weight has: that of dbias.
  const std::int64_t tiles =
      (extents.taps() * extents.inputs / cuda_convolution_tile_rows + 1) * ((extents.outputs + columns - 1) / columns);
  return std::max<std::int64_t>(1, std::min(blocks / tiles, extents.out_pixels() / fewest_pixels));
}

/// Floats that a backward pass holds: the partial sums of dweight and of dbias.
[[nodiscard]] constexpr std::int64_t cuda_convolution_floats(const ConvolutionExtents& extents) {
  return extents.out_pixels() == 0
             ? 0
             : cuda_convolution_ranges(extents) * (extents.taps() * extents.inputs + 1) * extents.outputs;
}

}  // namespace ringworld
