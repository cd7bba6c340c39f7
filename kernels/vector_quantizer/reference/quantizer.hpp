#pragma once
/// @file  Vector quantisation of one vector, in plain loops.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "kernels/vector_quantizer/distance.hpp"

namespace ringworld::reference {

/// The first of the codes that are nearest to z; 0 where no distance is a number.
/// @param codebook (K, D)
inline std::int64_t nearest_code(std::span<const float> z, std::span<const float> codebook) {
  std::int64_t nearest = 0;
  double smallest = std::numeric_limits<double>::infinity();
  for (std::int64_t k = 0; k * std::ssize(z) < std::ssize(codebook); ++k) {
    const double distance = squared_distance(z.data(), codebook.data() + k * std::ssize(z), std::ssize(z));
    if (distance < smallest) {
      smallest = distance;
      nearest = k;
    }
  }
  return nearest;
}

/// dz = dquantized + commitment_scale (z - e), de += codebook_scale (e - z).
template <class T>
void quantizer_backward(std::span<const T> dquantized, std::span<const T> z, std::span<const T> e, T codebook_scale,
                        T commitment_scale, std::span<T> dz, std::span<T> de) {
  for (std::size_t d = 0; d < z.size(); ++d) {
    const T difference = z[d] - e[d];
    dz[d] = dquantized[d] + commitment_scale * difference;
    de[d] -= codebook_scale * difference;
  }
}

}  // namespace ringworld::reference
