#pragma once
/// @file  The reconstruction loss of one frame, in plain loops.

#include <cstddef>
#include <span>

namespace ringworld::reference {

template <class T>
struct ReconstructionSums {
  T absolute = 0;
  T squared = 0;
};

/// The sums of |x' - x| and (x' - x)^2.
template <class T>
ReconstructionSums<T> reconstruction_sums(std::span<const T> reconstruction, std::span<const T> target) {
  ReconstructionSums<T> sums;
  for (std::size_t i = 0; i < target.size(); ++i) {
    const T difference = reconstruction[i] - target[i];
    sums.absolute += difference < T(0) ? -difference : difference;
    sums.squared += difference * difference;
  }
  return sums;
}

/// absolute_scale sign(x' - x) + 2 squared_scale (x' - x); sign(0) is 0.
/// @param difference   x' - x
/// @param doubled_squared_scale   2 squared_scale
template <class T>
T reconstruction_gradient(T difference, T absolute_scale, T doubled_squared_scale) {
  const T sign = difference < T(0) ? -absolute_scale : difference > T(0) ? absolute_scale : T(0);
  return sign + doubled_squared_scale * difference;
}

}  // namespace ringworld::reference
