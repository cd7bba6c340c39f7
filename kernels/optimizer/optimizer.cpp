#include "kernels/optimizer/optimizer.hpp"

#include <fmt/format.h>

#include <cmath>

#include "core/error.hpp"
#include "kernels/optimizer/cost.hpp"

namespace ringworld {
namespace {

void check(const AdamWRange& range, const AdamWOptions& options) {
  const std::size_t count = range.parameter.size();
  require(range.gradient.size() == count && range.first_moment.size() == count && range.second_moment.size() == count,
          "AdamW: gradient, first_moment or second_moment has not the length of parameter");
  require(range.bfloat16_copy.empty() || range.bfloat16_copy.size() == count,
          "AdamW: bfloat16_copy is neither empty nor of the length of parameter");
  require_input(options.step >= 1, fmt::format("AdamW counts steps from 1, not {}", options.step));
  const auto check_beta = [](const char* name, double value) {
    require_input(value >= 0 && value < 1, fmt::format("AdamW {} must be at least 0 and below 1, not {}", name, value));
  };
  check_beta("beta1", options.beta1);
  check_beta("beta2", options.beta2);
  require_input(options.epsilon > 0, fmt::format("AdamW epsilon must be positive, not {}", options.epsilon));
}

}  // namespace

row::AdamWFactors factors_of(const AdamWOptions& options) {
  const auto step = static_cast<double>(options.step);
  return {.gradient_scale = static_cast<float>(options.gradient_scale),
          .beta1 = static_cast<float>(options.beta1),
          .beta2 = static_cast<float>(options.beta2),
          .one_minus_beta1 = static_cast<float>(1 - options.beta1),
          .one_minus_beta2 = static_cast<float>(1 - options.beta2),
          .step_size = static_cast<float>(options.learning_rate / (1 - std::pow(options.beta1, step))),
          .inverse_root_correction = static_cast<float>(1 / std::sqrt(1 - std::pow(options.beta2, step))),
          .epsilon = static_cast<float>(options.epsilon),
          .decay = static_cast<float>(1 - options.learning_rate * options.weight_decay)};
}

void Optimizer::adamw(const AdamWRange& range, const AdamWOptions& options) {
  check(range, options);
  charge(cost_of(range));
  run_adamw(range, options);
}

double Optimizer::sum_of_squares(std::span<const float> values) {
  return sum_of_squares_of_ranges(std::span(&values, 1));
}

double Optimizer::sum_of_squares_of_ranges(std::span<const std::span<const float>> ranges) {
  charge(cost_of(ranges));
  return run_sum_of_squares(ranges);
}

}  // namespace ringworld
