#pragma once
/// @file  Convolution of dense frames by plain loops, in any type of numbers. Shapes as in kernels/convolution/convolution.hpp.

#include <span>

#include "kernels/convolution/extents.hpp"

namespace ringworld::reference {

/// Calls body(out, tap, in) for every output pixel, tap and input pixel of a frame that belong together; the pixels are
/// numbered over all frames. A tap on the padding is left out.
template <class Body>
void for_each_tap(const ConvolutionExtents& e, const Body& body) {
  const std::int64_t kernel = e.shape.kernel;
  for (std::int64_t out = 0; out < e.out_pixels(); ++out) {
    const std::int64_t frame = out / (e.out_height() * e.out_width());
    const std::int64_t out_row = out / e.out_width() % e.out_height();
    const std::int64_t out_column = out % e.out_width();
    for (std::int64_t tap = 0; tap < e.taps(); ++tap) {
      const std::int64_t row = e.in_of(out_row, tap / kernel);
      const std::int64_t column = e.in_of(out_column, tap % kernel);
      if (row >= 0 && row < e.height && column >= 0 && column < e.width) {
        body(out, tap, (frame * e.height + row) * e.width + column);
      }
    }
  }
}

/// The part of `values` that belongs to item `index`.
template <class T>
std::span<T> item(std::span<T> values, std::int64_t index, std::int64_t size) {
  return values.subspan(static_cast<std::size_t>(index * size), static_cast<std::size_t>(size));
}

/// @param bias, residual  empty: none
template <class T>
void convolve(const ConvolutionExtents& e, std::span<const T> x, std::span<const T> weight, std::span<const T> bias,
              std::span<const T> residual, std::span<T> y) {
  for (T& value : y) {
    value = 0;
  }
  for_each_tap(e, [&](std::int64_t out, std::int64_t tap, std::int64_t in) {
    const auto from = item(x, in, e.inputs);
    const auto to = item(y, out, e.outputs);
    for (std::size_t i = 0; i < from.size(); ++i) {
      const auto factors = item(weight, tap * e.inputs + static_cast<std::int64_t>(i), e.outputs);
      for (std::size_t o = 0; o < to.size(); ++o) {
        to[o] += from[i] * factors[o];
      }
    }
  });
  for (std::size_t index = 0; index < y.size() && !bias.empty(); ++index) {
    y[index] += bias[index % bias.size()];
  }
  for (std::size_t index = 0; index < y.size() && !residual.empty(); ++index) {
    y[index] += residual[index];
  }
}

/// @param dx  added to
template <class T>
void convolve_backward_data(const ConvolutionExtents& e, std::span<const T> dy, std::span<const T> weight,
                            std::span<T> dx) {
  for_each_tap(e, [&](std::int64_t out, std::int64_t tap, std::int64_t in) {
    const auto from = item(dy, out, e.outputs);
    const auto to = item(dx, in, e.inputs);
    for (std::size_t i = 0; i < to.size(); ++i) {
      const auto factors = item(weight, tap * e.inputs + static_cast<std::int64_t>(i), e.outputs);
      for (std::size_t o = 0; o < from.size(); ++o) {
        to[i] += from[o] * factors[o];
      }
    }
  });
}

/// @param dweight  added to     @param dbias added to; empty: not wanted
template <class T>
void convolve_backward_weight(const ConvolutionExtents& e, std::span<const T> dy, std::span<const T> x,
                              std::span<T> dweight, std::span<T> dbias) {
  for_each_tap(e, [&](std::int64_t out, std::int64_t tap, std::int64_t in) {
    const auto gradient = item(dy, out, e.outputs);
    const auto from = item(x, in, e.inputs);
    for (std::size_t i = 0; i < from.size(); ++i) {
      const auto to = item(dweight, tap * e.inputs + static_cast<std::int64_t>(i), e.outputs);
      for (std::size_t o = 0; o < to.size(); ++o) {
        to[o] += gradient[o] * from[i];
      }
    }
  });
  for (std::size_t index = 0; index < dy.size() && !dbias.empty(); ++index) {
    dbias[index % dbias.size()] += dy[index];
  }
}

}  // namespace ringworld::reference
