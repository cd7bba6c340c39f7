#include "kernels/swiglu/cost.hpp"

namespace ringworld {
namespace {

/// @param operands  (T, F) operands that are read or written
Cost cost_of_rows(const ConstRowsView& gate, std::int64_t flop_per_element, std::int64_t operands) {
  const std::int64_t elements = gate.rows * gate.columns;
  return {.flop = static_cast<double>(flop_per_element * elements),
          .bytes = static_cast<double>(operands * elements * size_of(gate.dtype))};
}

}  // namespace

Cost cost_of(const SwiGluForward& pass) { return cost_of_rows(pass.gate, 4, 3); }

Cost cost_of(const SwiGluBackward& pass) {
  return pass.y.is_null() ? cost_of_rows(pass.gate, 11, 5) : cost_of_rows(pass.gate, 13, 6);
}

}  // namespace ringworld
