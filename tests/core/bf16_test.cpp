/// @file  bfloat16 over all of its numbers, and rounding to it against arithmetic in double precision.

#include "core/bf16.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "core/dtype.hpp"
#include "core/random.hpp"

namespace ringworld::test {
namespace {

constexpr std::uint32_t patterns = 0x10000;

float float_of(std::uint32_t word) { return std::bit_cast<float>(word); }

/// The nearest bfloat16, ties to even, worked out in double: no bit of the float's pattern is looked at.
double nearest_bf16(float value) {
  if (value == 0.0F || std::isinf(value)) {
    return static_cast<double>(value);
  }
  const auto exact = static_cast<double>(value);
  constexpr int smallest_exponent = -126;
  const int exponent = std::max(std::ilogb(exact), smallest_exponent);
  const double quantum = std::ldexp(1.0, exponent - 7);
  const double rounded = std::nearbyint(exact / quantum) * quantum;
  return std::abs(rounded) >= 0x1.0p128 ? std::copysign(std::numeric_limits<double>::infinity(), rounded) : rounded;
}

/// Empty when the conversion of `value` is right.
std::string complaint_about(float value) {
  const auto converted = static_cast<double>(static_cast<float>(bf16(value)));
  const double expected = nearest_bf16(value);
  if (converted == expected && std::signbit(converted) == std::signbit(expected)) {
    return {};
  }
  return fmt::format("{:a} became {:a}, expected {:a}", value, converted, expected);
}

TEST(Bf16, EveryBitPatternSurvivesTheRoundTripThroughFloat) {
  std::uint32_t numbers = 0;
  for (std::uint32_t bits = 0; bits < patterns; ++bits) {
    const bf16 original = bf16::from_bits(static_cast<std::uint16_t>(bits));
    const auto widened = static_cast<float>(original);
    if (std::isnan(widened)) {
      ASSERT_TRUE(std::isnan(static_cast<float>(bf16(widened)))) << bits;
      continue;
    }
    ASSERT_EQ(bf16(widened).bits, bits);
    ++numbers;
  }
  EXPECT_EQ(numbers, patterns - 2 * 127) << "all but the NaNs: exponent 255 with a mantissa, of either sign";
}

TEST(Bf16, WidensToTheUpperHalfOfAFloat) {
  for (std::uint32_t bits = 0; bits < patterns; ++bits) {
    const auto widened = static_cast<float>(bf16::from_bits(static_cast<std::uint16_t>(bits)));
    ASSERT_EQ(std::bit_cast<std::uint32_t>(widened), bits << 16U);
  }
}

TEST(Bf16, RoundsToNearestWithTiesToEven) {
  // On, next to and between the halfway points of every number, subnormal and overflowing ones included.
  constexpr std::array<std::uint32_t, 8> lower_halves{0, 1, 0x3fff, 0x7fff, 0x8000, 0x8001, 0xc000, 0xffff};
  for (std::uint32_t upper = 0; upper < patterns; ++upper) {
    for (const std::uint32_t lower : lower_halves) {
      const float value = float_of((upper << 16U) | lower);
      if (!std::isnan(value)) {
        ASSERT_EQ(complaint_about(value), "");
      }
    }
  }
}

TEST(Bf16, RoundsRandomBitPatternsToNearest) {
  const CounterRng rng(3, 0);
  for (std::uint64_t index = 0; index < 100'000; ++index) {
    for (const std::uint32_t word : rng.words(index)) {
      if (!std::isnan(float_of(word))) {
        ASSERT_EQ(complaint_about(float_of(word)), "");
      }
    }
  }
}

TEST(Bf16, KnownRoundings) {
  EXPECT_EQ(static_cast<float>(bf16(1.0F + 0x1.0p-8F)), 1.0F) << "halfway, to even: down";
  EXPECT_EQ(static_cast<float>(bf16(1.0F + 0x1.8p-7F)), 1.0F + 0x1.0p-6F) << "halfway, to even: up";
  EXPECT_EQ(static_cast<float>(bf16(1.0F + 0x1.0p-8F + 0x1.0p-20F)), 1.0F + 0x1.0p-7F);
  EXPECT_EQ(static_cast<float>(bf16(3.14159265F)), 3.140625F);
  EXPECT_EQ(bf16(1.0F).bits, 0x3f80);
  EXPECT_EQ(bf16(-2.0F).bits, 0xc000);
}

TEST(Bf16, OverflowsToInfinity) {
  const float largest = 0x1.fep127F;
  EXPECT_EQ(static_cast<float>(bf16(largest)), largest);
  EXPECT_EQ(static_cast<float>(bf16(std::nextafter(0x1.ffp127F, 0.0F))), largest);
  EXPECT_EQ(bf16(0x1.ffp127F).bits, 0x7f80);
  EXPECT_EQ(bf16(std::numeric_limits<float>::max()).bits, 0x7f80);
  EXPECT_EQ(bf16(std::numeric_limits<float>::lowest()).bits, 0xff80);
  EXPECT_EQ(bf16(std::numeric_limits<float>::infinity()).bits, 0x7f80);
}

TEST(Bf16, KeepsSubnormalNumbersAndSignedZeros) {
  EXPECT_EQ(bf16(0x1.0p-133F).bits, 1) << "the smallest bfloat16";
  EXPECT_EQ(bf16(0x1.0p-134F).bits, 0) << "half of it: to even";
  EXPECT_EQ(bf16(0x1.8p-133F).bits, 2) << "one and a half of it: to even";
  EXPECT_EQ(bf16(std::numeric_limits<float>::denorm_min()).bits, 0);
  EXPECT_EQ(bf16(-std::numeric_limits<float>::denorm_min()).bits, 0x8000);
  EXPECT_EQ(bf16(-0.0F).bits, 0x8000);
}

TEST(Bf16, NaNStaysNaNOfTheSameSign) {
  // With a payload in the low bits only, cutting gives infinity; with all bits set, rounding up gives -0.
  for (const std::uint32_t payload : {0x1U, 0x8000U, 0xffffU, 0x10000U, 0x400000U, 0x7fffffU}) {
    for (const std::uint32_t sign : {0U, 0x80000000U}) {
      const bf16 converted(float_of(sign | 0x7f800000U | payload));
      EXPECT_TRUE(std::isnan(static_cast<float>(converted))) << payload;
      EXPECT_EQ(converted.bits & 0x8000U, sign >> 16U) << payload;
    }
  }
}

TEST(Bf16, ComparesAsNumbers) {
  EXPECT_TRUE(bf16(0.0F) == bf16(-0.0F));
  EXPECT_FALSE(bf16(1.0F) == bf16(2.0F));
  const bf16 nan = bf16::from_bits(0x7fc0);
  EXPECT_FALSE(nan == nan);
}

TEST(DType, NamesAndSizesBelongToTheTypes) {
  EXPECT_EQ(size_of(DType::float32), 4);
  EXPECT_EQ(size_of(DType::bfloat16), 2);
  EXPECT_EQ(name_of(DType::float32), "float32");
  EXPECT_EQ(name_of(DType::bfloat16), "bfloat16");
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    with_type(dtype, [&](auto element) {
      EXPECT_EQ(dtype_of<decltype(element)>, dtype);
      EXPECT_EQ(static_cast<std::int64_t>(sizeof(element)), size_of(dtype));
    });
  }
}

}  // namespace
}  // namespace ringworld::test
