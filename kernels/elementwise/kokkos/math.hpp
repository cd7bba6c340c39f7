#pragma once
/// @file  Mathematical functions under one name for every version of Kokkos.

#include <Kokkos_Core.hpp>
#include <cstdint>
#include <limits>

namespace ringworld::kokkos {

// Kokkos 3.4 has exp in Kokkos::Experimental, later versions in Kokkos. A qualified look-up through this
// namespace finds whichever there is, and not the C library's.
namespace portable {
using namespace Kokkos;                // NOLINT(google-build-using-namespace)
using namespace Kokkos::Experimental;  // NOLINT(google-build-using-namespace)
}  // namespace portable

KOKKOS_INLINE_FUNCTION float exponential(float x) { return portable::exp(x); }
KOKKOS_INLINE_FUNCTION float logarithm(float x) { return portable::log(x); }
KOKKOS_INLINE_FUNCTION float square_root(float x) { return portable::sqrt(x); }

// std::min and std::max are not compiled for every device, and Kokkos's moved between namespaces as well.
KOKKOS_INLINE_FUNCTION constexpr std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
KOKKOS_INLINE_FUNCTION constexpr std::int64_t larger(std::int64_t a, std::int64_t b) { return a < b ? b : a; }

inline constexpr float minus_infinity = -std::numeric_limits<float>::infinity();
inline constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

/// Also of NaN, by comparisons alone.
KOKKOS_INLINE_FUNCTION bool is_finite(float x) {
  constexpr float largest = std::numeric_limits<float>::max();
  return x >= -largest && x <= largest;
}

}  // namespace ringworld::kokkos
