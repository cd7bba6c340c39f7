#pragma once
/// @file  Rotation of the pairs of one head, in plain loops.

#include <span>

#include "kernels/rope/rope.hpp"

namespace ringworld::reference {

/// Turns the pairs of `x` (D) in place by the angles whose cosines and sines (D / 2) are given.
template <class T>
void rotate(std::span<T> x, std::span<const T> cosine, std::span<const T> sine, RopePairing pairing,
            RopeDirection direction) {
  const std::size_t half = x.size() / 2;
  for (std::size_t i = 0; i < half; ++i) {
    T& first = pairing == RopePairing::interleaved ? x[2 * i] : x[i];
    T& second = pairing == RopePairing::interleaved ? x[2 * i + 1] : x[i + half];
    const T signed_sine = direction == RopeDirection::forward ? sine[i] : -sine[i];
    const T turned = first * cosine[i] - second * signed_sine;
    second = first * signed_sine + second * cosine[i];
    first = turned;
  }
}

}  // namespace ringworld::reference
