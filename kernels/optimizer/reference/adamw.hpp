#pragma once
/// @file  AdamW of one parameter.

#include <cmath>

#include "kernels/optimizer/optimizer.hpp"

namespace ringworld::reference {

template <class T>
void adamw(const AdamWOptions& options, T gradient, T& parameter, T& first_moment, T& second_moment) {
  const auto beta1 = static_cast<T>(options.beta1);
  const auto beta2 = static_cast<T>(options.beta2);
  const auto step = static_cast<T>(options.step);
  const T scaled = static_cast<T>(options.gradient_scale) * gradient;
  first_moment = beta1 * first_moment + (1 - beta1) * scaled;
  second_moment = beta2 * second_moment + (1 - beta2) * scaled * scaled;
  const T mean = first_moment / (1 - std::pow(beta1, step));
  const T root = std::sqrt(second_moment / (1 - std::pow(beta2, step)));
  const T update = mean / (root + static_cast<T>(options.epsilon)) + static_cast<T>(options.weight_decay) * parameter;
  parameter -= static_cast<T>(options.learning_rate) * update;
}

}  // namespace ringworld::reference
