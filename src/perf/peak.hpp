#pragma once
/// @file  Measured peak rates of this machine: the denominators of every utilisation figure.

#include <cstdint>

#include "core/dtype.hpp"
#include "core/isa.hpp"

namespace ringworld {

/// FLOP/s of one thread in chains of independent fused multiply-adds held in registers, summed in fp32.
/// @param dtype  of the factors. bfloat16 means dot products of pairs (`vdpbf16ps`, 4 FLOP a lane) where
/// `has_bf16_dot_product(isa)`; anywhere else bf16 has to be widened first, and its peak is that of fp32
/// @param seconds  how long to measure; the best slice of about 50 ms counts, which is long enough that threads which
/// share a core share the figure
[[nodiscard]] double measure_fma_peak(Isa isa, DType dtype, double seconds);

/// FLOP/s by instruction set and rated clock: 2 FMA units x 2 x lanes x clock, twice that with dot products of bf16
/// pairs. 0 where the rated clock is unknown.
[[nodiscard]] double nominal_fma_peak(Isa isa, DType dtype);

/// Bytes/s of one thread in `a = b + s * c` over arrays of `bytes` each (24 bytes moved an element of three doubles).
/// Source: McCalpin, STREAM, kernel Triad.
[[nodiscard]] double measure_triad(std::int64_t bytes, double seconds);

/// FMA chains, compiled once an instruction set. Runs `rounds` and returns the FLOP done; `sink` keeps the result
/// alive.
using FmaChain = double (*)(std::int64_t rounds, float* sink);
[[nodiscard]] FmaChain portable_fma_chain();
[[nodiscard]] FmaChain avx2_fma_chain();
[[nodiscard]] FmaChain avx512_fma_chain();
/// Peak of bf16 pair products; runs only where `has_bf16_dot_product(Isa::avx512)`.
[[nodiscard]] FmaChain avx512_bf16_dot_chain();

}  // namespace ringworld
