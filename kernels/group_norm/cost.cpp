#include "kernels/group_norm/cost.hpp"

namespace ringworld {
namespace {

/// @param operands  (N, H, W, C) operands that are read or written
Cost cost_of_elements(std::int64_t elements, std::int64_t frame_groups, std::int64_t flop_per_element,
                      std::int64_t flop_per_group, std::int64_t operands) {
  constexpr std::int64_t float_bytes = 4;
  return {.flop = static_cast<double>(flop_per_element * elements + flop_per_group * frame_groups),
          .bytes = static_cast<double>(float_bytes * (operands * elements + 2 * frame_groups))};
}

}  // namespace

Cost cost_of(const GroupNormForward& pass) {
  const std::int64_t flop = pass.activation == Activation::silu ? 11 : 8;
  return cost_of_elements(pass.x.size(), pass.mean.size(), flop, 5, 2);
}

Cost cost_of(const GroupNormBackward& pass) {
  const std::int64_t flop = (pass.activation == Activation::silu ? 23 : 13) + (pass.adds_to_dx ? 1 : 0);
  return cost_of_elements(pass.x.size(), pass.mean.size(), flop, 2, pass.adds_to_dx ? 4 : 3);
}

}  // namespace ringworld
