#pragma once
/// @file  Up-sampling of dense frames by plain loops, in any type of numbers.

#include <array>
#include <cstdint>
#include <span>

namespace ringworld::reference {

/// Calls body(small, large) for every element of the large frames and the one of the small frames that it copies.
/// @param shape (N, H, W, C) of the small frames
template <class Body>
void for_each_copy(const std::array<std::int64_t, 4>& shape, const Body& body) {
  const auto& [frames, height, width, channels] = shape;
  std::size_t large = 0;
  for (std::int64_t row = 0; row < frames * 2 * height; ++row) {
    for (std::int64_t column = 0; column < 2 * width; ++column) {
      for (std::int64_t c = 0; c < channels; ++c) {
        body(static_cast<std::size_t>((row / 2 * width + column / 2) * channels + c), large++);
      }
    }
  }
}

template <class T>
void upsample(const std::array<std::int64_t, 4>& shape, std::span<const T> x, std::span<T> y) {
  for_each_copy(shape, [&](std::size_t small, std::size_t large) { y[large] = x[small]; });
}

/// The first element of a block begins its sum, so that three additions make it.
template <class T>
void upsample_backward(const std::array<std::int64_t, 4>& shape, std::span<const T> dy, std::span<T> dx) {
  const auto row = static_cast<std::size_t>(2 * shape[2] * shape[3]);
  for_each_copy(shape, [&](std::size_t small, std::size_t large) {
    const bool is_first = large / row % 2 == 0 && large % row / static_cast<std::size_t>(shape[3]) % 2 == 0;
    dx[small] = is_first ? dy[large] : dx[small] + dy[large];
  });
}

}  // namespace ringworld::reference
