#include <numeric>
#include <vector>

#include "kernels/elementwise/parallel.hpp"
#include "kernels/elementwise/row_functions.hpp"
#include "kernels/optimizer/optimizer.hpp"

namespace ringworld {
namespace {

/// Elements of a range: a multiple of every register, so that a range ends in whole ones.
constexpr std::int64_t chunk = 1 << 15;

class HostOptimizer final : public Optimizer {
 public:
  explicit HostOptimizer(const KernelOptions& options) : threads_(options.threads) {}

 private:
  void run_adamw(const AdamWRange& range, const AdamWOptions& options) override {
    const row::AdamWFactors factors = factors_of(options);
    row::for_each_range(threads_, std::ssize(range.parameter), chunk, [&](std::int64_t begin, std::int64_t end) {
      functions_.adamw({.parameter = range.parameter.data() + begin,
                        .gradient = range.gradient.data() + begin,
                        .first_moment = range.first_moment.data() + begin,
                        .second_moment = range.second_moment.data() + begin,
                        .copy = range.bfloat16_copy.empty() ? nullptr : range.bfloat16_copy.data() + begin,
                        .count = end - begin,
                        .factors = factors});
    });
  }

  [[nodiscard]] double run_sum_of_squares(std::span<const std::span<const float>> ranges) override {
    double sum = 0;
    for (const std::span<const float> values : ranges) {
      sum += sum_of_range(values);
    }
    return sum;
  }

  [[nodiscard]] double sum_of_range(std::span<const float> values) {
    sums_.assign(static_cast<std::size_t>(row::range_count(std::ssize(values), chunk)), 0.0);
    row::for_each_range(threads_, std::ssize(values), chunk, [&](std::int64_t begin, std::int64_t end) {
      sums_[static_cast<std::size_t>(begin / chunk)] = functions_.sum_of_squares(values.data() + begin, end - begin);
    });
    return std::accumulate(sums_.begin(), sums_.end(), 0.0);
  }

  int threads_;
  const row::RowFunctions& functions_ = row::row_functions(selected_isa());
  std::vector<double> sums_;  ///< one a chunk
};

}  // namespace

std::unique_ptr<Optimizer> make_host_optimizer(const KernelOptions& options) {
  return std::make_unique<HostOptimizer>(options);
}

}  // namespace ringworld
