#pragma once
/// @file  The inner operations as templates over the register width, included by one source file an instruction set.
/// Everything has internal linkage and calls no function of the standard library, so that the linker cannot put
/// code of a wide instruction set where a narrow one runs.

#include <cstdint>
#include <utility>

#include "kernels/attention/host/tile_kernels.hpp"

namespace ringworld::host_attention {
namespace {

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
  static constexpr std::int64_t lanes = Lanes;

  static Float load(const float* address) { return *reinterpret_cast<const Float*>(address); }
  static void store(float* address, Float value) { *reinterpret_cast<Float*>(address) = value; }
  static Float set(float value) { return Float{} + value; }
  static Float larger(Float a, Float b) { return a > b ? a : b; }
  static Float smaller(Float a, Float b) { return a < b ? a : b; }

  /// 0, 1, 2, ... in the lanes.
  static Int iota() {
    Int result{};
    for (int lane = 0; lane < Lanes; ++lane) {
      result[lane] = lane;
    }
    return result;
  }

  /// The lanes exchanged with those `distance` away, in pairs.
  template <int Distance, int... Lane>
  static Float exchange(Float value, std::integer_sequence<int, Lane...> /*lanes*/) {
    return __builtin_shufflevector(value, value, (Lane ^ Distance)...);
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

  /// e^x for x <= 88: relative error below 2.5e-7 (measured over every float in [-87.3, 88]); 0 below -87.3, as the
  /// result would be subnormal there, and for -inf.
  /// Range reduction after Cody and Waite; polynomial of degree 6 after Cephes' expf.
  static Float exp(Float x) {
    constexpr float smallest = -87.3F;
    // Constants first: a comparison with NaN is false and lets the NaN through.
    const Float clamped = smaller(set(88.0F), larger(set(smallest), x));
    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low mantissa bits.
    const Float magic = set(12582912.0F);
    const Float shifted = clamped * 1.44269504088896341F + magic;
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
    const Int exponent = reinterpret_cast<Int>(shifted) << 23;
    const Int bits = reinterpret_cast<Int>(p) + exponent;
    return x < smallest ? Float{} : reinterpret_cast<Float>(bits);
  }
};

constexpr float minus_infinity = -__builtin_inff();

inline float to_float(float value) { return value; }
inline float to_float(bf16 value) { return static_cast<float>(value); }

template <class T>
void pack_typed(const PackTile& tile) {
  const T* source = static_cast<const T*>(tile.source);
  for (std::int64_t row = 0; row < tile.rows; ++row) {
    const T* from = source + row * tile.row_stride;
    float* to = tile.target + row * tile.leading;
    for (std::int64_t column = 0; column < tile.columns; ++column) {
      to[column] = to_float(from[column]);
    }
    for (std::int64_t column = tile.columns; column < tile.leading; ++column) {
      to[column] = 0.0F;
    }
  }
}

template <class T>
void pack_transposed_typed(const PackTile& tile) {
  const T* source = static_cast<const T*>(tile.source);
  constexpr std::int64_t block = 16;  // rows at a time: one cache line of the target a column
  for (std::int64_t row_block = 0; row_block < key_tile; row_block += block) {
    for (std::int64_t column = 0; column < tile.columns; ++column) {
      float* to = tile.target + column * tile.leading + row_block;
      for (std::int64_t row = 0; row < block; ++row) {
        const bool is_inside = row_block + row < tile.rows;
        to[row] = is_inside ? to_float(source[(row_block + row) * tile.row_stride + column]) : 0.0F;
      }
    }
  }
}

void pack(const PackTile& tile) {
  if (tile.dtype == DType::float32) {
    pack_typed<float>(tile);
  } else {
    pack_typed<bf16>(tile);
  }
}

void pack_transposed(const PackTile& tile) {
  if (tile.dtype == DType::float32) {
    pack_transposed_typed<float>(tile);
  } else {
    pack_transposed_typed<bf16>(tile);
  }
}

/// A register block of C: Rows x Columns registers, held over the whole depth k. They start from zero and are added to
/// C once: a sum over a long sequence is then one of tile sums, and rounds a tenth as much as one long chain.
///
///            b (k, Columns registers)              each step of k: Columns loads of b, Rows broadcasts of a,
///            | | | |                               Rows * Columns fused multiply-adds
///   a (Rows) - C C C C
///            - C C C C
template <class S, int Rows, int Columns>
void multiply_block(const TileProduct& product, const float* a, const float* b, float* c) {
  using Float = typename S::Float;
  Float sums[Rows][Columns] = {};
  const std::int64_t a_row_stride = product.a_row_stride;
  const std::int64_t a_column_stride = product.a_column_stride;
  const std::int64_t b_leading = product.b_leading;
  for (std::int64_t depth = 0; depth < product.k; ++depth) {
    Float right[Columns];
#pragma GCC unroll 8
    for (int column = 0; column < Columns; ++column) {
      right[column] = S::load(b + column * S::lanes);
    }
#pragma GCC unroll 16
    for (int row = 0; row < Rows; ++row) {
      const Float left = S::set(a[row * a_row_stride]);
#pragma GCC unroll 8
      for (int column = 0; column < Columns; ++column) {
        sums[row][column] += left * right[column];
      }
    }
    a += a_column_stride;
    b += b_leading;
  }
#pragma GCC unroll 16
  for (int row = 0; row < Rows; ++row) {
#pragma GCC unroll 8
    for (int column = 0; column < Columns; ++column) {
      float* target = c + row * product.c_leading + column * S::lanes;
      S::store(target, product.accumulate ? S::load(target) + sums[row][column] : sums[row][column]);
    }
  }
}

/// The rows that are left when `Rows` at a time do not divide m.
template <class S, int Rows, int Columns>
void multiply_rows(const TileProduct& product, std::int64_t row, const float* b, float* c) {
  for (; row + Rows <= product.m; row += Rows) {
    multiply_block<S, Rows, Columns>(product, product.a + row * product.a_row_stride, b, c + row * product.c_leading);
  }
  if constexpr (Rows > 1) {
    if (row < product.m) {
      multiply_rows<S, Rows / 2, Columns>(product, row, b, c);
    }
  }
}

/// Columns of C panel by panel, so that a panel of b stays in the first-level cache while a streams.
template <class S, int Rows, int Columns>
void multiply_columns(const TileProduct& product, std::int64_t column) {
  constexpr std::int64_t width = Columns * S::lanes;
  for (; column + width <= product.n; column += width) {
    multiply_rows<S, Rows, Columns>(product, 0, product.b + column, product.c + column);
  }
  if constexpr (Columns > 1) {
    if (column < product.n) {
      multiply_columns<S, Rows, Columns / 2>(product, column);
    }
  }
}

template <class S, int Rows, int Columns>
void multiply(const TileProduct& product) {
  multiply_columns<S, Rows, Columns>(product, 0);
}

/// Number of leading columns that `row` sees.
inline std::int64_t visible_columns(const TileMask& mask, std::int64_t row) {
  const std::int64_t visible = mask.first_row_visible + row;
  return visible < 0 ? 0 : visible < mask.columns ? visible : mask.columns;
}

/// All ones in the lanes of `column`, ... that `row` sees.
template <class S>
typename S::Int visible_lanes(const TileMask& mask, std::int64_t row, std::int64_t column, std::int64_t visible) {
  using Int = typename S::Int;
  Int seen = (S::iota() + static_cast<std::int32_t>(column)) < (Int{} + static_cast<std::int32_t>(visible));
  if (mask.query_segments != nullptr) {
    const std::int32_t document = mask.query_segments[row];
    const Int keys = *reinterpret_cast<const typename S::UnalignedInt*>(mask.key_segments + column);
    seen &= (keys == (Int{} + document));
    seen &= (Int{} + document) >= Int{};
  }
  return seen;
}

template <class S>
void softmax(const SoftmaxTile& tile) {
  using Float = typename S::Float;
  constexpr int registers = key_tile / S::lanes;
  const auto larger = [](Float a, Float b) { return S::larger(a, b); };
  const auto add = [](Float a, Float b) { return a + b; };
  for (std::int64_t row = 0; row < tile.mask.rows; ++row) {
    float* scores = tile.scores + row * key_tile;
    const std::int64_t visible = visible_columns(tile.mask, row);
    const bool is_masked = visible < key_tile || tile.mask.query_segments != nullptr;
    Float held[registers];
    Float row_maximum = S::set(minus_infinity);
    for (int i = 0; i < registers; ++i) {
      held[i] = S::load(scores + i * S::lanes);
      if (is_masked) {
        held[i] = visible_lanes<S>(tile.mask, row, i * S::lanes, visible) ? held[i] : S::set(minus_infinity);
      }
      row_maximum = S::larger(row_maximum, held[i]);
    }
    const float old_maximum = tile.maximum[row];
    const float row_largest = tile.scale * S::reduce(row_maximum, larger);
    const float new_maximum = old_maximum > row_largest ? old_maximum : row_largest;
    if (new_maximum == minus_infinity) {
      // No key seen yet: -inf - -inf must not be formed.
      for (int i = 0; i < registers; ++i) {
        S::store(scores + i * S::lanes, Float{});
      }
      continue;
    }
    Float row_sum{};
    for (int i = 0; i < registers; ++i) {
      const Float probability = S::exp(held[i] * tile.scale - new_maximum);
      S::store(scores + i * S::lanes, probability);
      row_sum += probability;
    }
    float sum = tile.sum[row];
    if (new_maximum > old_maximum) {
      const float correction = S::exp(S::set(old_maximum - new_maximum))[0];
      sum *= correction;
      float* output = tile.output + row * tile.output_leading;
      for (std::int64_t column = 0; column < tile.output_leading; column += S::lanes) {
        S::store(output + column, S::load(output + column) * correction);
      }
      tile.maximum[row] = new_maximum;
    }
    tile.sum[row] = sum + S::reduce(row_sum, add);
  }
}

template <class S>
void gradient(const GradientTile& tile) {
  using Float = typename S::Float;
  for (std::int64_t row = 0; row < tile.mask.rows; ++row) {
    float* scores = tile.scores + row * key_tile;
    float* probability_gradient = tile.probability_gradient + row * key_tile;
    const float lse = tile.lse[row];
    const float delta = tile.delta[row];
    const std::int64_t visible = lse == minus_infinity ? 0 : visible_columns(tile.mask, row);
    const bool is_masked = visible < key_tile || tile.mask.query_segments != nullptr;
    for (std::int64_t column = 0; column < key_tile; column += S::lanes) {
      Float probability = S::exp(S::load(scores + column) * tile.scale - lse);
      if (is_masked) {
        probability = visible_lanes<S>(tile.mask, row, column, visible) ? probability : Float{};
      }
      S::store(scores + column, probability);
      const Float difference = S::load(probability_gradient + column) - delta;
      S::store(probability_gradient + column, difference * probability * tile.scale);
    }
  }
}

template <int Lanes, int Rows, int Columns>
constexpr TileKernels make_tile_kernels() {
  using S = Simd<Lanes>;
  return {.pack = &pack,
          .pack_transposed = &pack_transposed,
          .multiply = &multiply<S, Rows, Columns>,
          .softmax = &softmax<S>,
          .gradient = &gradient<S>};
}

}  // namespace
}  // namespace ringworld::host_attention
