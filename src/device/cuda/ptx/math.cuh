#pragma once
/// @file  Arithmetic that one instruction does and C++ has no name for.
/// Source: PTX ISA, "ex2", "cvt".

#include <cstdint>

namespace ringworld::ptx {

/// 2^x within 2 units in the last place; denormal results are 0, exp2_approx(-inf) is 0.
[[nodiscard]] __device__ __forceinline__ float exp2_approx(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// Two floats rounded to the nearest bf16, ties to even: `low` in bits 0-15, `high` in bits 16-31.
[[nodiscard]] __device__ __forceinline__ std::uint32_t pack_bf16(float low, float high) {
  std::uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}

/// The float rounded to the nearest number with 10 mantissa bits, ties away from 0, as the tensor cores' tf32 wants it.
[[nodiscard]] __device__ __forceinline__ std::uint32_t round_to_tf32(float x) {
  std::uint32_t rounded;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(x));
  return rounded;
}

}  // namespace ringworld::ptx
