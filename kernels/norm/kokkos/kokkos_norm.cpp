#include "kernels/contract/kernel_options.hpp"
#include "kernels/elementwise/kokkos/elements.hpp"
#include "kernels/elementwise/kokkos/launch.hpp"
#include "kernels/elementwise/kokkos/math.hpp"
#include "kernels/norm/norm.hpp"

namespace ringworld {
namespace {

using kokkos::RowsReader;
using kokkos::RowsWriter;
using kokkos::RowTeam;

struct ForwardKernel {
  RowsReader x;
  RowsReader branch;
  RowsWriter sum;
  const float* weight;
  float epsilon;
  RowsWriter y;
  float* inverse_rms;
  std::int64_t columns;

  KOKKOS_INLINE_FUNCTION void operator()(const RowTeam& team, std::int64_t row) const {
    const bool has_branch = !branch.is_null();
    if (has_branch) {
      Kokkos::parallel_for(Kokkos::TeamVectorRange(team, columns),
                           [&](std::int64_t c) { sum(row, c, x(row, c) + branch(row, c)); });
      team.team_barrier();
    }
    // Normalises the rounded sum, because the backward pass will read that.
    const auto normalized = [&](std::int64_t c) { return has_branch ? sum(row, c) : x(row, c); };
    // In double: a row may be summed by one lane.
    double squares = 0;
    Kokkos::parallel_reduce(
        Kokkos::TeamVectorRange(team, columns),
        [&](std::int64_t c, double& part) {
          part += static_cast<double>(normalized(c)) * static_cast<double>(normalized(c));
        },
        squares);
    const float mean = static_cast<float>(squares / static_cast<double>(columns));
    const float inverse = 1.0F / kokkos::square_root(mean + epsilon);
    Kokkos::parallel_for(Kokkos::TeamVectorRange(team, columns),
                         [&](std::int64_t c) { y(row, c, normalized(c) * inverse * weight[c]); });
    Kokkos::single(Kokkos::PerTeam(team), [&]() { inverse_rms[row] = inverse; });
  }
};

/// Sums one column over the rows in order, so that the result does not depend on the number of threads.
struct WeightGradientKernel {
  RowsReader dy;
  RowsReader x;
  const float* inverse_rms;
  float* dweight;
  std::int64_t rows;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t column) const {
    double sum = dweight[column];
    for (std::int64_t row = 0; row < rows; ++row) {
      sum += static_cast<double>(dy(row, column) * (x(row, column) * inverse_rms[row]));
    }
    dweight[column] = static_cast<float>(sum);
  }
};

struct BackwardKernel {
  RowsReader dy;
  RowsReader x;
  const float* weight;
  const float* inverse_rms;
  RowsReader residual_gradient;
  RowsWriter dx;
  std::int64_t columns;

  KOKKOS_INLINE_FUNCTION void operator()(const RowTeam& team, std::int64_t row) const {
    const float inverse = inverse_rms[row];
    double sum = 0;
    Kokkos::parallel_reduce(
        Kokkos::TeamVectorRange(team, columns),
        [&](std::int64_t c, double& part) {
          part += static_cast<double>(dy(row, c) * weight[c] * (x(row, c) * inverse));
        },
        sum);
    const float mean = static_cast<float>(sum / static_cast<double>(columns));
    Kokkos::parallel_for(Kokkos::TeamVectorRange(team, columns), [&](std::int64_t c) {
      const float gradient = (dy(row, c) * weight[c] - x(row, c) * inverse * mean) * inverse;
      dx(row, c, residual_gradient.is_null() ? gradient : gradient + residual_gradient(row, c));
    });
  }
};

class KokkosRmsNorm final : public RmsNorm {
  void run_forward(const RmsNormForward& pass) override {
    kokkos::for_each_row("ringworld::norm::forward", pass.x.rows,
                         ForwardKernel{.x = pass.x,
                                       .branch = pass.branch,
                                       .sum = pass.sum,
                                       .weight = pass.weight.data(),
                                       .epsilon = pass.epsilon,
                                       .y = pass.y,
                                       .inverse_rms = pass.inverse_rms.data(),
                                       .columns = pass.x.columns});
  }

  void run_backward(const RmsNormBackward& pass) override {
    // First: dx may be where dy is.
    kokkos::for_each("ringworld::norm::weight_gradient", pass.x.columns,
                     WeightGradientKernel{.dy = pass.dy,
                                          .x = pass.x,
                                          .inverse_rms = pass.inverse_rms.data(),
                                          .dweight = pass.dweight.data(),
                                          .rows = pass.x.rows});
    kokkos::for_each_row("ringworld::norm::backward", pass.x.rows,
                         BackwardKernel{.dy = pass.dy,
                                        .x = pass.x,
                                        .weight = pass.weight.data(),
                                        .inverse_rms = pass.inverse_rms.data(),
                                        .residual_gradient = pass.residual_gradient,
                                        .dx = pass.dx,
                                        .columns = pass.x.columns});
  }
};

}  // namespace

std::unique_ptr<RmsNorm> make_kokkos_rms_norm(const KernelOptions& /*options*/) {
  return std::make_unique<KokkosRmsNorm>();
}

}  // namespace ringworld
