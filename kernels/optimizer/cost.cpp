#include "kernels/optimizer/cost.hpp"

namespace ringworld {

Cost cost_of(const AdamWRange& range) {
  const auto parameters = static_cast<double>(range.parameter.size());
  constexpr double float_bytes = 4;
  constexpr double copy_bytes = 2;
  return {.flop = 15 * parameters,
          .bytes = parameters * (7 * float_bytes + (range.bfloat16_copy.empty() ? 0.0 : copy_bytes))};
}

Cost cost_of(std::span<const std::span<const float>> ranges) {
  Cost cost;
  for (const std::span<const float> values : ranges) {
    cost.flop += 2 * static_cast<double>(values.size());
    cost.bytes += static_cast<double>(values.size_bytes());
  }
  return cost;
}

}  // namespace ringworld
