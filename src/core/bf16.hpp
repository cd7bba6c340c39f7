#pragma once
/// @file  bfloat16 as a storage type: 1 sign, 8 exponent, 7 mantissa bits, the upper half of a float.
/// Arithmetic is done in float; conversion rounds to nearest, ties to even, and keeps NaN a NaN.

#include <bit>
#include <cstdint>

namespace ringworld {

/// A bfloat16 number in memory.
struct bf16 {
  std::uint16_t bits = 0;

  bf16() = default;

  explicit constexpr bf16(float value) noexcept : bits(round(std::bit_cast<std::uint32_t>(value))) {}

  static constexpr bf16 from_bits(std::uint16_t bits) noexcept {
    bf16 result;
    result.bits = bits;
    return result;
  }

  constexpr explicit operator float() const noexcept {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
  }

  friend constexpr bool operator==(bf16 a, bf16 b) noexcept { return static_cast<float>(a) == static_cast<float>(b); }

 private:
  static constexpr std::uint16_t round(std::uint32_t word) noexcept {
    if ((word & 0x7fffffffU) > 0x7f800000U) {
      // A NaN whose payload lies in the lower half would round to infinity: set the quiet bit instead.
      return static_cast<std::uint16_t>((word >> 16U) | 0x0040U);
    }
    const std::uint32_t half_minus_ties = 0x7fffU + ((word >> 16U) & 1U);
    return static_cast<std::uint16_t>((word + half_minus_ties) >> 16U);
  }
};

static_assert(sizeof(bf16) == 2);

}  // namespace ringworld
