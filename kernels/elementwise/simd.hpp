#pragma once
/// @file  Registers of floats as the compiler's own vector types, for the per-instruction-set source files only.
/// Everything has internal linkage and calls no function of the standard library, so that the linker cannot put
/// code of a wide instruction set where a narrow one runs.

#include <cstdint>
#include <utility>

#include "core/bf16.hpp"

namespace ringworld::row {
namespace {

constexpr float minus_infinity = -__builtin_inff();
constexpr float log2_e = 1.44269504088896341F;

template <int Lanes>
struct RegisterTypes;
template <>
struct RegisterTypes<4> {
  using Float __attribute__((vector_size(16), may_alias)) = float;
  using Word __attribute__((vector_size(16), may_alias)) = std::uint32_t;
  using Int __attribute__((vector_size(16), may_alias)) = std::int32_t;
  using IntInMemory __attribute__((vector_size(16), may_alias, aligned(4))) = std::int32_t;
  using Half __attribute__((vector_size(8), may_alias)) = std::uint16_t;
  using HalfPairs __attribute__((vector_size(16), may_alias)) = std::uint16_t;
  using FloatInMemory __attribute__((vector_size(16), may_alias, aligned(4))) = float;
  using HalfInMemory __attribute__((vector_size(8), may_alias, aligned(2))) = std::uint16_t;
};
template <>
struct RegisterTypes<8> {
  using Float __attribute__((vector_size(32), may_alias)) = float;
  using Word __attribute__((vector_size(32), may_alias)) = std::uint32_t;
  using Int __attribute__((vector_size(32), may_alias)) = std::int32_t;
  using IntInMemory __attribute__((vector_size(32), may_alias, aligned(4))) = std::int32_t;
  using Half __attribute__((vector_size(16), may_alias)) = std::uint16_t;
  using HalfPairs __attribute__((vector_size(32), may_alias)) = std::uint16_t;
  using FloatInMemory __attribute__((vector_size(32), may_alias, aligned(4))) = float;
  using HalfInMemory __attribute__((vector_size(16), may_alias, aligned(2))) = std::uint16_t;
};
template <>
struct RegisterTypes<16> {
  using Float __attribute__((vector_size(64), may_alias)) = float;
  using Word __attribute__((vector_size(64), may_alias)) = std::uint32_t;
  using Int __attribute__((vector_size(64), may_alias)) = std::int32_t;
  using IntInMemory __attribute__((vector_size(64), may_alias, aligned(4))) = std::int32_t;
  using Half __attribute__((vector_size(32), may_alias)) = std::uint16_t;
  using HalfPairs __attribute__((vector_size(64), may_alias)) = std::uint16_t;
  using FloatInMemory __attribute__((vector_size(64), may_alias, aligned(4))) = float;
  using HalfInMemory __attribute__((vector_size(32), may_alias, aligned(2))) = std::uint16_t;
};

template <int Lanes>
struct Simd : RegisterTypes<Lanes> {
  using typename RegisterTypes<Lanes>::Float;
  using typename RegisterTypes<Lanes>::Word;
  using typename RegisterTypes<Lanes>::Int;
  using typename RegisterTypes<Lanes>::IntInMemory;
  using typename RegisterTypes<Lanes>::Half;
  using typename RegisterTypes<Lanes>::HalfPairs;
  using typename RegisterTypes<Lanes>::FloatInMemory;
  using typename RegisterTypes<Lanes>::HalfInMemory;
  static constexpr int lanes = Lanes;

  /// Subtracting zero changes nothing and costs nothing; adding it would turn -0 to 0 and cost an addition.
  static Float set(float value) { return value - Float{}; }
  static Int set(std::int32_t value) { return Int{} + value; }
  /// `b` where either is NaN.
  static Float larger(Float a, Float b) { return a > b ? a : b; }
  static Float reciprocal(Float value) { return 1.0F / value; }

  /// 0, 1, 2, ... in the lanes.
  static Int iota() {
    Int result{};
    for (int lane = 0; lane < Lanes; ++lane) {
      result[lane] = lane;
    }
    return result;
  }

  /// Whether a lane of `flags`, each zero or all ones, is set: by a tree of exchanges.
  template <int Distance = Lanes / 2>
  static bool any(Int flags) {
    if constexpr (Distance == 0) {
      return flags[0] != 0;
    } else {
      return any<Distance / 2>(flags | exchange<Distance>(flags, std::make_integer_sequence<int, Lanes>()));
    }
  }

  static Float load(const float* address) { return *reinterpret_cast<const FloatInMemory*>(address); }
  static Int load(const std::int32_t* address) { return *reinterpret_cast<const IntInMemory*>(address); }
  static Float load(const bf16* address) { return widen(*reinterpret_cast<const HalfInMemory*>(address)); }
  static void store(float* address, Float value) { *reinterpret_cast<FloatInMemory*>(address) = value; }
  static void store(bf16* address, Float value) { *reinterpret_cast<HalfInMemory*>(address) = narrow(value); }

  /// The first `count` lanes; the others hold `fill`.
  static Float load_part(const float* address, std::int64_t count, float fill) {
    Float value = set(fill);
    for (std::int64_t lane = 0; lane < count; ++lane) {
      value[lane] = address[lane];
    }
    return value;
  }
  static Float load_part(const bf16* address, std::int64_t count, float fill) {
    Half bits = narrow(set(fill));
    for (std::int64_t lane = 0; lane < count; ++lane) {
      bits[lane] = address[lane].bits;
    }
    return widen(bits);
  }
  static void store_part(float* address, std::int64_t count, Float value) {
    for (std::int64_t lane = 0; lane < count; ++lane) {
      address[lane] = value[lane];
    }
  }
  static void store_part(bf16* address, std::int64_t count, Float value) {
    const Half bits = narrow(value);
    for (std::int64_t lane = 0; lane < count; ++lane) {
      address[lane].bits = bits[lane];
    }
  }

  /// Combines all lanes in a tree of exchanges, without leaving the registers.
  template <int Distance = Lanes / 2, class Combine>
  static float reduce(Float value, Combine combine) {
    if constexpr (Distance == 0) {
      return value[0];
    } else {
      const Float other = exchange<Distance>(value, std::make_integer_sequence<int, Lanes>());
      return reduce<Distance / 2>(combine(value, other), combine);
    }
  }

  /// The lower half of the lanes where the upper one was, and the upper where the lower was.
  static Float swap_halves(Float value) { return exchange<Lanes / 2>(value, std::make_integer_sequence<int, Lanes>()); }

  /// Lanes 0, 2, 4, ... (First = 0) or 1, 3, 5, ... (First = 1) of two registers.
  template <int First>
  static Float every_other(Float a, Float b) {
    return every_other<First>(a, b, std::make_integer_sequence<int, Lanes>());
  }
  /// a0 b0 a1 b1 ...: the lower (First = 0) or upper (First = Lanes / 2) halves of two registers.
  template <int First>
  static Float interleave(Float a, Float b) {
    return interleave<First>(a, b, std::make_integer_sequence<int, Lanes>());
  }

  static Float square_root(Float value) {
    Float result;
    for (int lane = 0; lane < Lanes; ++lane) {
      result[lane] = __builtin_sqrtf(value[lane]);
    }
    return result;
  }

  /// e^x for x <= 88, and e^88 beyond: relative error below 2.5e-7; 0 below -87.3, as the result would be subnormal
  /// there, and for -inf.
  /// Range reduction after Cody and Waite; polynomial of degree 6 after Cephes' expf.
  static Float exp(Float x) {
    constexpr float smallest = -87.3F;
    constexpr float largest = 88.0F;
    // A comparison with NaN is false and lets the NaN through.
    const Float clamped = x > largest ? set(largest) : x;
    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low mantissa bits.
    const Float magic = set(12582912.0F);
    const Float shifted = clamped * log2_e + magic;
    const Float n = shifted - magic;
    Float r = clamped - n * 0.693359375F;
    r = r + n * 2.12194440e-4F;
    Float p = set(1.9875691500e-4F);
    p = p * r + 1.3981999507e-3F;
    p = p * r + 8.3334519073e-3F;
    p = p * r + 4.1665795894e-2F;
    p = p * r + 1.6666665459e-1F;
    p = p * r + 5.0000001201e-1F;
    p = p * (r * r) + r + 1.0F;
    // 2^n, to multiply with: an addition to the exponent of p would make a number of some NaNs.
    const Word power = (reinterpret_cast<Word>(shifted) << 23) + 0x3f800000U;
    return x < smallest ? Float{} : p * reinterpret_cast<Float>(power);
  }

 private:
  /// The upper halves of words whose lower halves are zero: one shuffle, no shift.
  static Float widen(Half bits) { return widen(bits, std::make_integer_sequence<int, 2 * Lanes>()); }
  template <int... At>
  static Float widen(Half bits, std::integer_sequence<int, At...> /*halves*/) {
    return reinterpret_cast<Float>(__builtin_shufflevector(Half{}, bits, (At % 2 == 0 ? 0 : Lanes + At / 2)...));
  }

  /// Rounds to nearest, ties to even; a NaN stays one (core/bf16.hpp).
  static Half narrow(Float value) {
    const Word word = reinterpret_cast<Word>(value);
    const Word rounded = word + 0x7fffU + ((word >> 16) & 1U);
    const Word quiet = word | 0x00400000U;
    // NOLINTNEXTLINE(misc-redundant-expression): not equal to itself is what a NaN is.
    return upper_halves(value != value ? quiet : rounded, std::make_integer_sequence<int, Lanes>());
  }
  template <int... Lane>
  static Half upper_halves(Word words, std::integer_sequence<int, Lane...> /*lanes*/) {
    const auto halves = reinterpret_cast<HalfPairs>(words);
    return __builtin_shufflevector(halves, halves, (2 * Lane + 1)...);
  }

  template <int Distance, class Register, int... Lane>
  static Register exchange(Register value, std::integer_sequence<int, Lane...> /*lanes*/) {
    return __builtin_shufflevector(value, value, (Lane ^ Distance)...);
  }
  template <int First, int... Lane>
  static Float every_other(Float a, Float b, std::integer_sequence<int, Lane...> /*lanes*/) {
    return __builtin_shufflevector(a, b, (2 * Lane + First)...);
  }
  template <int First, int... Lane>
  static Float interleave(Float a, Float b, std::integer_sequence<int, Lane...> /*lanes*/) {
    return __builtin_shufflevector(a, b, (First + Lane / 2 + (Lane % 2) * Lanes)...);
  }
};

}  // namespace
}  // namespace ringworld::row
