#pragma once
/// @file  Operations for which AVX-512 needs fewer instructions than the compiler's vector types.

#include <immintrin.h>

#include "kernels/elementwise/simd.hpp"

namespace ringworld::row {
namespace {

/// The zero-masking forms with a full mask compile to the plain instructions, without the undefined operand that makes
/// GCC 12 warn about every plain form (its bug 105593).
struct Avx512 : Simd<16> {
  static constexpr __mmask16 all = 0xffff;

  static Float larger(Float a, Float b) { return _mm512_maskz_max_ps(all, a, b); }

  /// e^x, infinity where it overflows: relative error below 2.5e-7; 0 below -104 and for -inf. Rounding and scaling by
  /// powers of two are instructions; minimax polynomial of 2^r on [-1/2, 1/2], error 7.5e-8.
  static Float exp(Float x) {
    constexpr float log2_e_rest = 1.92596303e-8F;
    const Float clamped = larger(set(-120.0F), x);
    const Float n = _mm512_maskz_roundscale_ps(all, clamped * log2_e, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    // The product is not rounded before the difference.
    const Float r = clamped * log2_e_rest + Float(_mm512_maskz_fmsub_ps(all, clamped, set(log2_e), n));
    Float p = set(1.3276472e-3F);
    p = p * r + 9.6755428e-3F;
    p = p * r + 5.5507135e-2F;
    p = p * r + 2.4022120e-1F;
    p = p * r + 6.9314694e-1F;
    return _mm512_maskz_scalef_ps(all, p * r + 1.0F, n);
  }

  /// One step of Newton from 14 bits: relative error below 1.2e-7, half the time of a division. For values up to 2^126,
  /// and 0 for infinity.
  static Float reciprocal(Float value) {
    const Float guess = _mm512_maskz_rcp14_ps(all, value);
    const Float rest = 1.0F - value * guess;
    // 0 * infinity where the value is infinite: the guess stands.
    return value < set(-minus_infinity) ? guess + guess * rest : guess;
  }

  static bool any(Int flags) { return _mm512_movepi32_mask(reinterpret_cast<__m512i>(flags)) != 0; }
};

}  // namespace
}  // namespace ringworld::row
