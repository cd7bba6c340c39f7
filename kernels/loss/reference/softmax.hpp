#pragma once
/// @file  Softmax cross-entropy of one row, in plain loops.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

namespace ringworld::reference {

/// Overwrites a row by e^(value - maximum); returns their sum.
template <class T>
T exponentiate(std::span<T> row, T maximum) {
  using std::exp;
  T sum = 0;
  for (T& value : row) {
    value = exp(value - maximum);
    sum += value;
  }
  return sum;
}

/// Overwrites exponentials by weight (softmax - onehot); `target` may lie outside of the row.
template <class T>
void softmax_gradient(std::span<T> exponentials, T sum, std::int64_t target, T weight) {
  for (std::int64_t v = 0; v < std::ssize(exponentials); ++v) {
    T& value = exponentials[static_cast<std::size_t>(v)];
    value = weight * (value / sum - (v == target ? 1 : 0));
  }
}

/// Overwrites a row of logits by weight times the gradient of the returned negative log likelihood of `target`.
template <class T>
T cross_entropy(std::span<T> logits, std::int64_t target, T weight) {
  const T maximum = *std::ranges::max_element(logits);
  const T target_logit = logits[static_cast<std::size_t>(target)];
  const T sum = exponentiate(logits, maximum);
  softmax_gradient(logits, sum, target, weight);
  using std::log;
  return log(sum) + (maximum - target_logit);
}

}  // namespace ringworld::reference
