#include <fmt/format.h>

#include "core/error.hpp"
#include "kernels/optimizer/optimizer.hpp"
#include "kernels/row/backend_choice.hpp"

namespace ringworld {

void check_adamw(const AdamWRange& range, const AdamWOptions& options) {
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

double Optimizer::sum_of_squares_of_ranges(std::span<const std::span<const float>> ranges) {
  double sum = 0;
  for (const std::span<const float> values : ranges) {
    sum += sum_of_squares(values);
  }
  return sum;
}

std::unique_ptr<Optimizer> make_optimizer(Backend backend) {
  return row::make<Optimizer>(
      backend, {.reference = make_reference_optimizer, .kokkos = make_kokkos_optimizer, .cuda = make_cuda_optimizer});
}

}  // namespace ringworld
