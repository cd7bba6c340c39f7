#include "perf/peak.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/clock.hpp"
#include "core/isa.hpp"

namespace ringworld::test {
namespace {

std::vector<Isa> isas_of_this_cpu() {
  std::vector<Isa> isas;
  for (const Isa isa : {Isa::portable, Isa::avx2, Isa::avx512}) {
    if (isa <= best_isa()) {
      isas.push_back(isa);
    }
  }
  return isas;
}

FmaChain chain_of(Isa isa) {
  return isa == Isa::avx512 ? avx512_fma_chain() : isa == Isa::avx2 ? avx2_fma_chain() : portable_fma_chain();
}

TEST(Peak, MeasurementsArePositiveAndFinite) {
  for (const Isa isa : isas_of_this_cpu()) {
    for (const DType dtype : {DType::float32, DType::bfloat16}) {
      const double rate = measure_fma_peak(isa, dtype, 0.01);
      EXPECT_GT(rate, 0.0) << name_of(isa) << " " << name_of(dtype);
      EXPECT_TRUE(std::isfinite(rate)) << name_of(isa) << " " << name_of(dtype);
    }
  }
  const double bandwidth = measure_triad(1 << 20, 0.01);
  EXPECT_GT(bandwidth, 0.0);
  EXPECT_TRUE(std::isfinite(bandwidth));
}

TEST(Peak, FmaChainsStayAtTheirFixedPoint) {
  for (const Isa isa : isas_of_this_cpu()) {
    float sink = 0;
    const double flop = chain_of(isa)(100'000, &sink);
    EXPECT_TRUE(std::isfinite(sink)) << name_of(isa);
    // Every accumulator tends to 0.001 / (1 - 0.999) = 1: the sum of one lane is the number of chains.
    EXPECT_NEAR(sink, std::round(sink), 0.01F) << name_of(isa);
    EXPECT_GE(sink, 7.9F) << name_of(isa);
    EXPECT_GT(flop, 0.0) << name_of(isa);
  }
}

TEST(Peak, FmaChainsCountTwoFlopALane) {
  for (const Isa isa : isas_of_this_cpu()) {
    float sink = 0;
    const FmaChain chain = chain_of(isa);
    const double one = chain(1, &sink);
    EXPECT_EQ(chain(1000, &sink), 1000 * one) << name_of(isa);
    // A round is 8 steps of 8 chains of 4 lanes, 12 of 8 or 16 of 16.
    const double lanes_and_chains = isa == Isa::avx512 ? 16 * 16 : isa == Isa::avx2 ? 8 * 12 : 4 * 8;
    EXPECT_EQ(one, 2 * 8 * lanes_and_chains) << name_of(isa);
  }
}

TEST(Peak, DotProductsOfBf16PairsEndWhereTheyBeganAndCountFourFlopALane) {
  if (!has_bf16_dot_product(Isa::avx512)) {
    GTEST_SKIP() << "this CPU has no AVX512_BF16";
  }
  const FmaChain chain = avx512_bf16_dot_chain();
  for (const std::int64_t rounds : {1, 1000}) {
    float sink = 0;
    EXPECT_EQ(chain(rounds, &sink), static_cast<double>(rounds) * 8 * 16 * 16 * 4);
    EXPECT_EQ(sink, 120.0F) << "chain c starts at c, 0 to 15";
  }
}

TEST(Peak, NominalPeakGrowsWithTheRegisters) {
  const double portable = nominal_fma_peak(Isa::portable, DType::float32);
  EXPECT_GE(portable, 0.0) << "0 where the clock is unknown";
  EXPECT_EQ(nominal_fma_peak(Isa::avx2, DType::float32), 2 * portable);
  EXPECT_EQ(nominal_fma_peak(Isa::avx512, DType::float32), 4 * portable);
  EXPECT_EQ(nominal_fma_peak(Isa::avx2, DType::bfloat16), 2 * portable) << "bf16 is widened";
  EXPECT_EQ(nominal_fma_peak(Isa::avx512, DType::bfloat16), (has_bf16_dot_product(Isa::avx512) ? 8 : 4) * portable);
}

TEST(Clock, DoesNotRunBackwards) {
  double before = now_seconds();
  for (int reading = 0; reading < 1000; ++reading) {
    const double now = now_seconds();
    ASSERT_GE(now, before);
    before = now;
  }
}

}  // namespace
}  // namespace ringworld::test
