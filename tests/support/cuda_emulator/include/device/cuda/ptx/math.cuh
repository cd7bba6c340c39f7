#pragma once
/// @file  Twin of src/device/cuda/ptx/math.cuh.

#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>
#include <limits>

#include "core/bf16.hpp"

namespace ringworld::ptx {

[[nodiscard]] inline float exp2_approx(float x) {
  const float y = std::exp2(x);
  return y < std::numeric_limits<float>::min() ? 0.0F : y;
}

[[nodiscard]] inline std::uint32_t pack_bf16(float low, float high) {
  return static_cast<std::uint32_t>(bf16(low).bits) | static_cast<std::uint32_t>(bf16(high).bits) << 16U;
}

[[nodiscard]] inline std::uint32_t round_to_tf32(float x) {
  const std::uint32_t word = std::bit_cast<std::uint32_t>(x);
  const bool is_finite = (word & 0x7f800000U) != 0x7f800000U;
  return is_finite ? (word + 0x1000U) & ~0x1fffU : word;
}

}  // namespace ringworld::ptx
