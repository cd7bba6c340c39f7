#pragma once
/// @file  What AVX-512 does in fewer instructions than the compiler's vector types, and bf16 words.

#include <immintrin.h>

#include "kernels/attention/host/simd.hpp"

namespace ringworld::host_attention {
namespace {

/// The zero-masking forms with a full mask compile to the plain instructions, without the undefined operand that makes
/// GCC 12 warn about every plain form (its bug 105593).
struct Avx512 : Simd<16> {
  static constexpr __mmask16 all = 0xffff;

  /// A NaN in `b` stays one.
  static Float larger(Float a, Float b) { return _mm512_maskz_max_ps(all, a, b); }

  /// e^x for x <= 88, with rounding and scaling by powers of two in hardware: relative error below 2.5e-7 +
  /// 1.4e-8 |x|; 0 below -104 and for -inf. Minimax polynomial of 2^r on [-1/2, 1/2], error 7.5e-8.
  static Float exp(Float x) {
    const Float clamped = larger(set(-120.0F), x);
    const Float n = _mm512_maskz_roundscale_ps(all, clamped * log2_e, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const Float r = clamped * log2_e - n;  // contracted: the product is not rounded
    Float p = set(1.3276472e-3F);
    p = p * r + 9.6755428e-3F;
    p = p * r + 5.5507135e-2F;
    p = p * r + 2.4022120e-1F;
    p = p * r + 6.9314694e-1F;
    return _mm512_maskz_scalef_ps(all, p * r + 1.0F, n);
  }
  static bool any(Int flags) { return _mm512_movepi32_mask(reinterpret_cast<__m512i>(flags)) != 0; }
};

}  // namespace
}  // namespace ringworld::host_attention
