#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/optimizer/optimizer.hpp"
#include "kernels/row/parallel.hpp"
#include "kernels/row/row_functions.hpp"

namespace ringworld {
namespace {

/// Elements of a range: a multiple of every register, so that a range ends in whole ones.
constexpr std::int64_t chunk = 1 << 15;

/// The factors of a step, worked out in double.
row::AdamWRow factors_of(const AdamWOptions& options) {
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

class KokkosOptimizer final : public Optimizer {
 public:
  void adamw(const AdamWRange& range, const AdamWOptions& options) override {
    check_adamw(range, options);
    const row::AdamWRow factors = factors_of(options);
    row::for_each_range("ringworld::optimizer::adamw", std::ssize(range.parameter), chunk,
                        [&](std::int64_t begin, std::int64_t end) {
                          row::AdamWRow part = factors;
                          part.parameter = range.parameter.data() + begin;
                          part.gradient = range.gradient.data() + begin;
                          part.first_moment = range.first_moment.data() + begin;
                          part.second_moment = range.second_moment.data() + begin;
                          part.copy = range.bfloat16_copy.empty() ? nullptr : range.bfloat16_copy.data() + begin;
                          part.count = end - begin;
                          functions_.adamw(part);
                        });
  }

  [[nodiscard]] double sum_of_squares(std::span<const float> values) override {
    std::vector<double> sums(static_cast<std::size_t>(row::range_count(std::ssize(values), chunk)));
    row::for_each_range(
        "ringworld::optimizer::sum_of_squares", std::ssize(values), chunk, [&](std::int64_t begin, std::int64_t end) {
          sums[static_cast<std::size_t>(begin / chunk)] = functions_.sum_of_squares(values.data() + begin, end - begin);
        });
    return std::accumulate(sums.begin(), sums.end(), 0.0);
  }

 private:
  const row::RowFunctions& functions_ = row::row_functions(selected_isa());
};

}  // namespace

std::unique_ptr<Optimizer> make_kokkos_optimizer() { return std::make_unique<KokkosOptimizer>(); }

}  // namespace ringworld
