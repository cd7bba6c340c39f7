#pragma once
/// @file  Words of two bf16: products by `vdpbf16ps`, which adds both products of a pair to an fp32 sum.

#include "kernels/elementwise/simd_avx512.hpp"

namespace ringworld::host_attention {
namespace {

struct Bf16Words : row::Avx512 {
  using Words = __m512bh;
  static constexpr int depth_per_word = 2;

  static __m512bh load_words(const std::uint32_t* address) { return as_pairs(_mm512_load_si512(address)); }
  static __m512bh broadcast(const std::uint32_t* address) {
    return as_pairs(_mm512_set1_epi32(static_cast<std::int32_t>(*address)));
  }
  static void multiply_add(Float& sum, __m512bh left, __m512bh right) { sum = _mm512_dpbf16_ps(sum, left, right); }

  /// Rounds two rows of depth and stores them as one row of words.
  static void store_row_depth(std::uint32_t* target, const Float (&depth)[2]) {
    // 16 of the first row, then 16 of the second: to be interleaved.
    const __m512i rows = as_integers(_mm512_cvtne2ps_pbh(depth[1], depth[0]));
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                           21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    _mm512_store_si512(target, _mm512_permutexvar_epi16(order, rows));
  }
  /// Rounds 32 neighbouring lanes and stores them as 16 words.
  static void store_lane_depth(std::uint32_t* target, const Float (&lanes_of_depth)[2]) {
    _mm512_store_si512(target, as_integers(_mm512_cvtne2ps_pbh(lanes_of_depth[1], lanes_of_depth[0])));
  }

 private:
  static __m512bh as_pairs(__m512i value) { return reinterpret_cast<__m512bh>(value); }
  static __m512i as_integers(__m512bh value) { return reinterpret_cast<__m512i>(value); }
};

}  // namespace
}  // namespace ringworld::host_attention
