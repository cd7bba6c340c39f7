#pragma once
/// @file  Root mean square normalisation of one row, in plain loops.

#include <cmath>
#include <span>

namespace ringworld::reference {

/// y = x weight / rms(x); returns 1 / rms(x).
template <class T>
T rms_norm(std::span<const T> x, std::span<const T> weight, T epsilon, std::span<T> y) {
  T squares = 0;
  for (const T value : x) {
    squares += value * value;
  }
  using std::sqrt;
  const T inverse_rms = 1 / sqrt(squares / static_cast<T>(x.size()) + epsilon);
  for (std::size_t c = 0; c < x.size(); ++c) {
    y[c] = x[c] * inverse_rms * weight[c];
  }
  return inverse_rms;
}

/// dx += gradient by x, dweight += gradient by the weight.
template <class T>
void rms_norm_backward(std::span<const T> dy, std::span<const T> x, std::span<const T> weight, T inverse_rms,
                       std::span<T> dx, std::span<T> dweight) {
  T sum = 0;  // of dy * weight * (x / rms)
  for (std::size_t c = 0; c < x.size(); ++c) {
    sum += dy[c] * weight[c] * x[c] * inverse_rms;
  }
  const T mean = sum / static_cast<T>(x.size());
  for (std::size_t c = 0; c < x.size(); ++c) {
    const T normal = x[c] * inverse_rms;
    dx[c] += (dy[c] * weight[c] - normal * mean) * inverse_rms;
    dweight[c] += dy[c] * normal;
  }
}

}  // namespace ringworld::reference
