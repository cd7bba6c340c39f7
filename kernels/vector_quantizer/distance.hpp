#pragma once
/// @file  The distance by which backends whose code runs on the host choose between codes.

#include <cstdint>

namespace ringworld {

/// |z - e|^2 in double, summed from the first element to the last.
[[nodiscard]] inline double squared_distance(const float* z, const float* e, std::int64_t size) {
  double sum = 0;
  for (std::int64_t d = 0; d < size; ++d) {
    const double difference = static_cast<double>(z[d]) - static_cast<double>(e[d]);
    sum += difference * difference;
  }
  return sum;
}

}  // namespace ringworld
