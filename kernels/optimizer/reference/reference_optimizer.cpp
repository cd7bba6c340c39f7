#include "kernels/optimizer/optimizer.hpp"
#include "kernels/optimizer/reference/adamw.hpp"

namespace ringworld {
namespace {

class ReferenceOptimizer final : public Optimizer {
  void run_adamw(const AdamWRange& range, const AdamWOptions& options) override {
    for (std::size_t i = 0; i < range.parameter.size(); ++i) {
      auto parameter = static_cast<double>(range.parameter[i]);
      auto first_moment = static_cast<double>(range.first_moment[i]);
      auto second_moment = static_cast<double>(range.second_moment[i]);
      reference::adamw(options, static_cast<double>(range.gradient[i]), parameter, first_moment, second_moment);
      range.parameter[i] = static_cast<float>(parameter);
      range.first_moment[i] = static_cast<float>(first_moment);
      range.second_moment[i] = static_cast<float>(second_moment);
      if (!range.bfloat16_copy.empty()) {
        range.bfloat16_copy[i] = bf16(range.parameter[i]);
      }
    }
  }

  [[nodiscard]] double run_sum_of_squares(std::span<const std::span<const float>> ranges) override {
    double sum = 0;
    for (const std::span<const float> values : ranges) {
      double of_range = 0;
      for (const float value : values) {
        of_range += static_cast<double>(value) * static_cast<double>(value);
      }
      sum += of_range;
    }
    return sum;
  }
};

}  // namespace

std::unique_ptr<Optimizer> make_reference_optimizer(const KernelOptions& /*options*/) {
  return std::make_unique<ReferenceOptimizer>();
}

}  // namespace ringworld
