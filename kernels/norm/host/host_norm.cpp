#include <algorithm>
#include <span>
#include <vector>

#include "kernels/elementwise/parallel.hpp"
#include "kernels/elementwise/row_functions.hpp"
#include "kernels/norm/norm.hpp"

namespace ringworld {
namespace {

/// Gradients of the weights are summed a range of rows at a time, and the ranges' sums in their order.
///
///   rows    | range 0 | range 1 | ...      at most `most_ranges`, however many threads there are
///   dweight    sum 0  +  sum 1  + ...      each (C) fp32, added up in double
constexpr std::int64_t most_ranges = 64;
constexpr std::int64_t fewest_rows = 16;

class HostRmsNorm final : public RmsNorm {
 public:
  explicit HostRmsNorm(const KernelOptions& options) : threads_(options.threads) {}

 private:
  void run_forward(const RmsNormForward& pass) override {
    with_type(pass.x.dtype, [&](auto type) { forward_typed<decltype(type)>(pass); });
  }

  void run_backward(const RmsNormBackward& pass) override {
    with_type(pass.x.dtype, [&](auto type) { backward_typed<decltype(type)>(pass); });
  }

  template <class T>
  void forward_typed(const RmsNormForward& pass) {
    const auto& functions = functions_.of<T>();
    row::for_each_range(
        threads_, pass.x.rows, row::rows_per_range(pass.x.columns), [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t t = begin; t < end; ++t) {
            pass.inverse_rms[static_cast<std::size_t>(t)] = functions.normalize({.x = pass.x.row<T>(t),
                                                                                 .branch = pass.branch.row<T>(t),
                                                                                 .sum = pass.sum.row<T>(t),
                                                                                 .weight = pass.weight.data(),
                                                                                 .y = pass.y.row<T>(t),
                                                                                 .columns = pass.x.columns,
                                                                                 .epsilon = pass.epsilon});
          }
        });
  }

  template <class T>
  void backward_typed(const RmsNormBackward& pass) {
    const std::int64_t columns = pass.x.columns;
    const std::int64_t grain = std::max(fewest_rows, row::range_count(pass.x.rows, most_ranges));
    const std::int64_t ranges = row::range_count(pass.x.rows, grain);
    partial_.assign(static_cast<std::size_t>(ranges * columns), 0.0F);
    const auto& functions = functions_.of<T>();
    row::for_each_range(threads_, pass.x.rows, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t t = begin; t < end; ++t) {
        functions.normalize_backward({.dy = pass.dy.row<T>(t),
                                      .x = pass.x.row<T>(t),
                                      .weight = pass.weight.data(),
                                      .inverse_rms = pass.inverse_rms[static_cast<std::size_t>(t)],
                                      .residual_gradient = pass.residual_gradient.row<T>(t),
                                      .dx = pass.dx.row<T>(t),
                                      .dweight = partial_.data() + begin / grain * columns,
                                      .columns = columns});
      }
    });
    add_ranges(ranges, pass.dweight);
  }

  /// Range by range, as they lie in memory.
  void add_ranges(std::int64_t ranges, std::span<float> dweight) {
    sums_.assign(dweight.begin(), dweight.end());
    for (std::int64_t range = 0; range < ranges; ++range) {
      const float* partial = partial_.data() + range * std::ssize(dweight);
      for (std::size_t c = 0; c < sums_.size(); ++c) {
        sums_[c] += static_cast<double>(partial[c]);
      }
    }
    std::ranges::transform(sums_, dweight.begin(), [](double sum) { return static_cast<float>(sum); });
  }

  int threads_;
  const row::RowFunctions& functions_ = row::row_functions(selected_isa());
  std::vector<float> partial_;  ///< (ranges, C)
  std::vector<double> sums_;    ///< (C)
};

}  // namespace

std::unique_ptr<RmsNorm> make_host_rms_norm(const KernelOptions& options) {
  return std::make_unique<HostRmsNorm>(options);
}

}  // namespace ringworld
