#pragma once
/// @file  Vector registers as the compiler's own vector types. Like every header that the tile_*.cpp files share, it
/// has internal linkage and calls no function of the standard library, so that the linker cannot put code of a wide
/// instruction set where a narrow one runs.

#include <cstdint>
#include <utility>

namespace ringworld::host_attention {
namespace {

constexpr float minus_infinity = -__builtin_inff();
constexpr float log2_e = 1.44269504088896341F;

template <int Lanes>
struct RegisterTypes;
template <>
struct RegisterTypes<4> {
  using Float __attribute__((vector_size(16), may_alias)) = float;
  using Int __attribute__((vector_size(16), may_alias)) = std::int32_t;
  using UnalignedInt __attribute__((vector_size(16), may_alias, aligned(4))) = std::int32_t;
};
template <>
struct RegisterTypes<8> {
  using Float __attribute__((vector_size(32), may_alias)) = float;
  using Int __attribute__((vector_size(32), may_alias)) = std::int32_t;
  using UnalignedInt __attribute__((vector_size(32), may_alias, aligned(4))) = std::int32_t;
};
template <>
struct RegisterTypes<16> {
  using Float __attribute__((vector_size(64), may_alias)) = float;
  using Int __attribute__((vector_size(64), may_alias)) = std::int32_t;
  using UnalignedInt __attribute__((vector_size(64), may_alias, aligned(4))) = std::int32_t;
};

template <int Lanes>
struct Simd : RegisterTypes<Lanes> {
  using typename RegisterTypes<Lanes>::Float;
  using typename RegisterTypes<Lanes>::Int;
  static constexpr int lanes = Lanes;

  static Float load(const float* address) { return *reinterpret_cast<const Float*>(address); }
  static void store(float* address, Float value) { *reinterpret_cast<Float*>(address) = value; }
  /// Subtracting zero changes nothing and costs nothing; adding it would turn -0 to 0 and cost an addition.
  static Float set(float value) { return value - Float{}; }
  static Int set(std::int32_t value) { return Int{} + value; }
  static Float larger(Float a, Float b) { return a > b ? a : b; }

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

  /// e^x for x <= 88: relative error below 2.5e-7 (measured over every float in [-87.3, 88]); 0 below -87.3, as the
  /// result would be subnormal there, and for -inf.
  /// Range reduction after Cody and Waite; polynomial of degree 6 after Cephes' expf.
  static Float exp(Float x) {
    constexpr float smallest = -87.3F;
    // The constant first: a comparison with NaN is false and lets the NaN through.
    const Float clamped = larger(set(smallest), x);
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
    const Int bits = reinterpret_cast<Int>(p) + (reinterpret_cast<Int>(shifted) << 23);
    return x < smallest ? Float{} : reinterpret_cast<Float>(bits);
  }

 private:
  /// The lanes exchanged with those `Distance` away, in pairs.
  template <int Distance, int... Lane>
  static Int exchange(Int value, std::integer_sequence<int, Lane...> /*lanes*/) {
    return __builtin_shufflevector(value, value, (Lane ^ Distance)...);
  }
};

/// Words of one float: products are fused multiply-adds.
template <class Registers>
struct FloatWords : Registers {
  using typename Registers::Float;
  using Words = Float;
  static constexpr int depth_per_word = 1;

  static Float load_words(const std::uint32_t* address) { return *reinterpret_cast<const Float*>(address); }
  static Float broadcast(const std::uint32_t* address) {
    using AliasedFloat __attribute__((may_alias)) = float;
    return Registers::set(*reinterpret_cast<const AliasedFloat*>(address));
  }
  static void multiply_add(Float& sum, Float left, Float right) { sum += left * right; }
  /// Stores depth 0 as one row of words.
  static void store_row_depth(std::uint32_t* target, const Float (&depth)[1]) {
    *reinterpret_cast<Float*>(target) = depth[0];
  }
  /// The words of `store_row_depth` serve as these too.
  static void store_lane_depth(std::uint32_t* /*target*/, const Float (& /*lanes*/)[1]) {}
};

}  // namespace
}  // namespace ringworld::host_attention
