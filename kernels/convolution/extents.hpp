#pragma once
/// @file  The sizes of a convolution in one place: what every backend's loops run over.

#include <array>
#include <cstdint>

namespace ringworld {

/// Kernel size, stride and zero padding of a square convolution, the same down and across.
struct ConvolutionShape {
  std::int64_t kernel = 3;     ///< taps down and across
  std::int64_t stride = 1;     ///< input pixels from an output pixel to the next
  std::int64_t pad_begin = 1;  ///< rows of zeros above and columns of zeros to the left
  std::int64_t pad_end = 1;    ///< rows of zeros below and columns of zeros to the right

  /// Output pixels of `side` input pixels. 0 or less: the kernel does not fit.
  [[nodiscard]] constexpr std::int64_t output_side(std::int64_t side) const {
    const std::int64_t room = side + pad_begin + pad_end - kernel;
    return room < 0 ? 0 : room / stride + 1;
  }

  bool operator==(const ConvolutionShape&) const = default;
};

/// x (N, H, W, I), weight (k, k, I, O), y (N, H', W', O).
struct ConvolutionExtents {
  ConvolutionShape shape;
  std::int64_t frames = 0;   ///< N
  std::int64_t height = 0;   ///< H
  std::int64_t width = 0;    ///< W
  std::int64_t inputs = 0;   ///< I
  std::int64_t outputs = 0;  ///< O

  constexpr ConvolutionExtents(const ConvolutionShape& shape_in, const std::array<std::int64_t, 4>& x,
                               const std::array<std::int64_t, 4>& weight)
      : shape(shape_in), frames(x[0]), height(x[1]), width(x[2]), inputs(x[3]), outputs(weight[3]) {}

  [[nodiscard]] constexpr std::int64_t out_height() const { return shape.output_side(height); }
  [[nodiscard]] constexpr std::int64_t out_width() const { return shape.output_side(width); }
  [[nodiscard]] constexpr std::int64_t taps() const { return shape.kernel * shape.kernel; }
  [[nodiscard]] constexpr std::int64_t in_pixels() const { return frames * height * width; }
  [[nodiscard]] constexpr std::int64_t out_pixels() const { return frames * out_height() * out_width(); }

  /// Where tap `tap` of output row (or column) `out` reads: a row (or column) of x, outside of it where it reads a zero.
  [[nodiscard]] constexpr std::int64_t in_of(std::int64_t out, std::int64_t tap) const {
    return out * shape.stride + tap - shape.pad_begin;
  }
};

}  // namespace ringworld
