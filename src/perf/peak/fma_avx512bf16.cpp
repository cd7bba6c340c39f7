/// @file  Chains of bf16 dot products: `vdpbf16ps` multiplies 16 pairs of pairs and adds them to 16 fp32 sums.

#include <immintrin.h>

#include "perf/peak.hpp"

namespace ringworld {
namespace {

double run_dot_chain(std::int64_t rounds, float* sink) {
  constexpr int chains = 16;
  constexpr int unrolled = 8;
  constexpr int lanes = 16;
  __m512 accumulators[chains];
  for (int chain = 0; chain < chains; ++chain) {
    accumulators[chain] = _mm512_set1_ps(static_cast<float>(chain));
  }
  // Each step subtracts the value that the step before added, so the sums stay bounded however long the loop runs.
  const __m512 half = _mm512_set1_ps(0.5F);
  const __m512bh factor = _mm512_cvtne2ps_pbh(half, half);
  const __m512bh signs[2] = {_mm512_cvtne2ps_pbh(half, half), _mm512_cvtne2ps_pbh(-half, -half)};
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 8
    for (int step = 0; step < unrolled; ++step) {
#pragma GCC unroll 16
      for (__m512& accumulator : accumulators) {
        accumulator = _mm512_dpbf16_ps(accumulator, factor, signs[step % 2]);
      }
    }
  }
  __m512 total = _mm512_setzero_ps();
  for (const __m512 accumulator : accumulators) {
    total += accumulator;
  }
  *sink += _mm512_cvtss_f32(total);
  return 4.0 * lanes * chains * unrolled * static_cast<double>(rounds);
}

}  // namespace

FmaChain avx512_bf16_dot_chain() { return run_dot_chain; }

}  // namespace ringworld
