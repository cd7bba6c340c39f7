#include "kernels/norm/cost.hpp"

namespace ringworld {
namespace {

/// @param operands  (T, C) operands that are read or written
Cost cost_of_rows(const ConstRowsView& x, std::int64_t flop_per_element, std::int64_t flop_per_row,
                  std::int64_t operands) {
  constexpr std::int64_t inverse_rms_bytes = 4;
  return {.flop = static_cast<double>(x.rows * (flop_per_element * x.columns + flop_per_row)),
          .bytes = static_cast<double>(x.rows * (operands * x.columns * size_of(x.dtype) + inverse_rms_bytes))};
}

}  // namespace

Cost cost_of(const RmsNormForward& pass) {
  const bool has_branch = !pass.branch.is_null();
  return cost_of_rows(pass.x, has_branch ? 5 : 4, 4, has_branch ? 4 : 2);
}

Cost cost_of(const RmsNormBackward& pass) {
  const bool has_residual = !pass.residual_gradient.is_null();
  return cost_of_rows(pass.x, has_residual ? 12 : 11, 1, has_residual ? 4 : 3);
}

}  // namespace ringworld
