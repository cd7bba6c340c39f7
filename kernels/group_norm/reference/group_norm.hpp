#pragma once
/// @file  Group normalisation of one frame, in plain loops: P pixels, C channels, G groups.

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "kernels/group_norm/group_norm.hpp"

namespace ringworld::reference {

template <class T>
T sigmoid(T x) {
  using std::exp;
  return 1 / (1 + exp(-x));
}

/// @param x (P, C)   @param scale, bias (C)   @param y (P, C)   @param mean, rstd (G); all outputs are overwritten
template <class T>
void group_norm(std::span<const T> x, std::span<const T> scale, std::span<const T> bias, T epsilon,
                Activation activation, std::span<T> y, std::span<T> mean, std::span<T> rstd) {
  using std::exp;
  using std::sqrt;
  const std::size_t channels = scale.size();
  const std::size_t per_group = channels / mean.size();
  const auto group_of = [&](std::size_t i) { return i % channels / per_group; };
  const T count = static_cast<T>(x.size() / mean.size());
  std::vector<T> sums(mean.size(), T(0));
  for (std::size_t i = 0; i < x.size(); ++i) {
    sums[group_of(i)] += x[i];
  }
  std::vector<T> squares(mean.size(), T(0));
  for (std::size_t g = 0; g < mean.size(); ++g) {
    mean[g] = sums[g] / count;
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    const T distance = x[i] - mean[group_of(i)];
    squares[group_of(i)] += distance * distance;
  }
  for (std::size_t g = 0; g < mean.size(); ++g) {
    rstd[g] = 1 / sqrt(squares[g] / count + epsilon);
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t g = group_of(i);
    const T u = (x[i] - mean[g]) * rstd[g] * scale[i % channels] + bias[i % channels];
    y[i] = activation == Activation::silu ? u / (1 + exp(-u)) : u;
  }
}

/// The gradients of `group_norm`.
/// @param mean, rstd (G), of the forward pass   @param dx (P, C), overwritten, or added to when `adds_to_dx`
/// @param dscale, dbias (C), added to
template <class T>
void group_norm_backward(std::span<const T> dy, std::span<const T> x, std::span<const T> scale, std::span<const T> bias,
                         Activation activation, std::span<const T> mean, std::span<const T> rstd, bool adds_to_dx,
                         std::span<T> dx, std::span<T> dscale, std::span<T> dbias) {
  const std::size_t channels = scale.size();
  const std::size_t per_group = channels / mean.size();
  const T count = static_cast<T>(x.size() / mean.size());
  std::vector<T> normal(x.size());                     // (x - mean) rstd
  std::vector<T> dnormal(x.size());                    // the gradient by it
  std::vector<T> sums(mean.size(), T(0));              // of dnormal
  std::vector<T> sums_with_normal(mean.size(), T(0));  // of dnormal * normal
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t c = i % channels;
    const std::size_t g = c / per_group;
    normal[i] = (x[i] - mean[g]) * rstd[g];
    T du = dy[i];
    if (activation == Activation::silu) {
      const T u = normal[i] * scale[c] + bias[c];
      const T share = sigmoid(u);
      du = du * share * (1 + u * (1 - share));
    }
    dbias[c] += du;
    dscale[c] += du * normal[i];
    dnormal[i] = du * scale[c];
    sums[g] += dnormal[i];
    sums_with_normal[g] += dnormal[i] * normal[i];
  }
  for (std::size_t g = 0; g < mean.size(); ++g) {
    sums[g] = sums[g] / count;
    sums_with_normal[g] = sums_with_normal[g] / count;
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t g = i % channels / per_group;
    const T gradient = (dnormal[i] - (sums[g] + normal[i] * sums_with_normal[g])) * rstd[g];
    dx[i] = adds_to_dx ? dx[i] + gradient : gradient;
  }
}

}  // namespace ringworld::reference
