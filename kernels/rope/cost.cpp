#include "kernels/rope/cost.hpp"

namespace ringworld {

Cost cost_of(const RopeRotation& rotation) {
  const std::int64_t elements = rotation.x.size();
  const std::int64_t table_elements = rotation.cosine.size() + rotation.sine.size();
  return {.flop = 3.0 * static_cast<double>(elements),
          .bytes =
              static_cast<double>(2 * elements * size_of(rotation.x.dtype) + table_elements * size_of(DType::float32))};
}

}  // namespace ringworld
