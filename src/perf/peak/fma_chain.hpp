#pragma once
/// @file  The FMA chain, included by one source file an instruction set. Everything here has internal linkage, so that
/// no code of a wide instruction set can be merged into a narrow one.

#include <cstdint>

namespace ringworld {
namespace {

template <int Lanes>
struct Register {
  using Vector __attribute__((vector_size(Lanes * sizeof(float)))) = float;
};

/// @tparam Lanes floats in a register     @tparam Chains independent accumulators: latency times throughput
template <int Lanes, int Chains>
double run_fma_chain(std::int64_t rounds, float* sink) {
  using Vector = typename Register<Lanes>::Vector;
  constexpr int unrolled = 8;
  Vector accumulators[Chains];
  for (int chain = 0; chain < Chains; ++chain) {
    accumulators[chain] = Vector{} + static_cast<float>(chain);
  }
  // A contraction with a fixed point: the numbers stay finite and normal however long it runs.
  const Vector factor = Vector{} + 0.999F;
  const Vector addend = Vector{} + 0.001F;
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 8
    for (int step = 0; step < unrolled; ++step) {
#pragma GCC unroll 16
      for (int chain = 0; chain < Chains; ++chain) {
        accumulators[chain] = accumulators[chain] * factor + addend;
      }
    }
  }
  Vector total{};
  for (int chain = 0; chain < Chains; ++chain) {
    total += accumulators[chain];
  }
  *sink += total[0];
  return 2.0 * Lanes * Chains * unrolled * static_cast<double>(rounds);
}

}  // namespace
}  // namespace ringworld
