#pragma once
/// @file  The sums before and after the products of a convolution by tiles of 4 x 4 output pixels, compiled once an
/// instruction set. Source: Lavin, Gray, "Fast Algorithms for Convolutional Neural Networks", arXiv:1509.09308: its
/// F(4x4, 3x3).
///
///   y = A' [ (G w G') * (B' x B) ] A      x: 6 x 6 pixels, w: 3 x 3 taps, y: 4 x 4 pixels, *: element by element
///
/// The elements of the bracket are called positions, 0 to 35. At a position the channels make a matrix product, and 16
/// output pixels take 36 of its multiplications where 9 taps take 144.

#include <cstdint>

#include "core/isa.hpp"

namespace ringworld::host_convolution {

inline constexpr std::int64_t tile_side = 4;
inline constexpr std::int64_t tile_reach = tile_side + 2;  ///< pixels of the input that it reads, down and across
inline constexpr std::int64_t tile_pixels = tile_side * tile_side;
inline constexpr std::int64_t positions = tile_reach * tile_reach;

/// Everywhere: a position's numbers lie `position_stride` floats behind those of the position before; the counts of
/// channels are multiples of lane_padding.
struct TileTransforms {
  /// B' x B. @param pixels  36 pixels of `channels` floats
  void (*input)(const float* const* pixels, std::int64_t channels, float* out, std::int64_t position_stride);
  /// A' sums A + bias + addend. @param bias null: none @param addends, out  16 pixels; the addends null: none
  void (*output)(const float* sums, std::int64_t position_stride, std::int64_t channels, const float* bias,
                 const float* const* addends, float* const* out);
  /// A dy A'. @param pixels  16 pixels of `channels` floats
  void (*gradient)(const float* const* pixels, std::int64_t channels, float* out, std::int64_t position_stride);
  /// G w G'. @param taps  9 times `count` numbers
  void (*weight)(const float* taps, std::int64_t count, float* out);
  /// taps += G' sums G. @param sums  36 times `count` numbers
  void (*weight_gradient)(const float* sums, std::int64_t count, float* taps);
};

[[nodiscard]] TileTransforms tile_transforms_of(Isa isa);

[[nodiscard]] TileTransforms tile_transforms_portable();
[[nodiscard]] TileTransforms tile_transforms_avx2();
[[nodiscard]] TileTransforms tile_transforms_avx512();

}  // namespace ringworld::host_convolution
