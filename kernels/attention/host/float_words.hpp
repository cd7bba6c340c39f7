#pragma once
/// @file  Words of one float: products by fused multiply-adds.

#include "kernels/elementwise/simd.hpp"

namespace ringworld::host_attention {
namespace {

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
