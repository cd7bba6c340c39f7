#pragma once
/// @file  The element-wise operations on one row, compiled once per instruction set and chosen at run time.
///
///   family              loop over rows (parallel.hpp)          row function of this CPU
///   norm, rope, ...  ->  for_each_range(rows, [](b, e) { ...  ->  row_functions(isa).of<T>().normalize(row) })
///
/// Rows are dense, of any length and alignment. Arithmetic is fp32; bf16 is widened on load and rounded to nearest
/// on store. Outputs may be the very row of an input, but must not overlap one otherwise.

#include <cstdint>

#include "core/bf16.hpp"
#include "core/isa.hpp"
#include "kernels/elementwise/adamw_factors.hpp"
#include "kernels/elementwise/pixel_functions.hpp"
#include "kernels/elementwise/row_products.hpp"

namespace ringworld::row {

/// y = s * weight / rms(s), where s = x, or x + branch rounded to T.
template <class T>
struct NormRow {
  const T* x = nullptr;
  const T* branch = nullptr;  ///< may be null
  T* sum = nullptr;           ///< receives s; null when branch is
  const float* weight = nullptr;
  T* y = nullptr;
  std::int64_t columns = 0;
  float epsilon = 0;
};

/// dx = [residual_gradient +] gradient of NormRow by s, dweight += gradient by the weight.
template <class T>
struct NormGradientRow {
  const T* dy = nullptr;
  const T* x = nullptr;  ///< s
  const float* weight = nullptr;
  float inverse_rms = 0;
  const T* residual_gradient = nullptr;  ///< may be null
  T* dx = nullptr;
  float* dweight = nullptr;
  std::int64_t columns = 0;
};

/// The heads of one token, rotated in place.
template <class T>
struct RotatedToken {
  T* x = nullptr;
  std::int64_t heads = 0;
  std::int64_t head_stride = 0;
  const float* cosine = nullptr;  ///< (half)
  const float* sine = nullptr;    ///< (half)
  std::int64_t half = 0;          ///< pairs of a head: head_size / 2
  float direction = 1;            ///< -1 rotates back
};

/// y = silu(gate) * up.
template <class T>
struct SwiGluRow {
  const T* gate = nullptr;
  const T* up = nullptr;
  T* y = nullptr;
  std::int64_t columns = 0;
  std::int64_t to_next_row = 0;  ///< elements from gate and up to those of the next row, which are fetched ahead
};

template <class T>
struct SwiGluGradientRow {
  const T* dy = nullptr;
  const T* gate = nullptr;
  const T* up = nullptr;
  T* dgate = nullptr;
  T* dup = nullptr;
  T* y = nullptr;  ///< the forward pass's result again; may be null
  std::int64_t columns = 0;
  std::int64_t to_next_row = 0;  ///< as in SwiGluRow
};

/// One step of AdamW.
struct AdamWRow {
  float* parameter = nullptr;
  const float* gradient = nullptr;
  float* first_moment = nullptr;
  float* second_moment = nullptr;
  bf16* copy = nullptr;  ///< receives the new parameter; may be null
  std::int64_t count = 0;
  AdamWFactors factors;
};

/// Functions on rows of T.
template <class T>
struct TypedRowFunctions {
  float (*normalize)(const NormRow<T>&) = nullptr;  ///< returns 1 / rms
  void (*normalize_backward)(const NormGradientRow<T>&) = nullptr;
  void (*rotate_half_split)(const RotatedToken<T>&) = nullptr;
  void (*rotate_interleaved)(const RotatedToken<T>&) = nullptr;
  void (*swiglu)(const SwiGluRow<T>&) = nullptr;
  void (*swiglu_backward)(const SwiGluGradientRow<T>&) = nullptr;
  void (*copy_float32)(const float* from, T* to, std::int64_t count) = nullptr;
  void (*copy_bfloat16)(const bf16* from, T* to, std::int64_t count) = nullptr;
  void (*add)(const T* from, float* to, std::int64_t count) = nullptr;  ///< to += from
  void (*dot_products)(const RowsProduct<T>&) = nullptr;
  void (*weighted_sums)(const RowsProduct<T>&) = nullptr;
};

/// One instruction set's versions.
struct RowFunctions {
  TypedRowFunctions<float> float32;
  TypedRowFunctions<bf16> bfloat16;
  PixelFunctions pixels;
  float (*maximum)(const float* values, std::int64_t count) = nullptr;  ///< -inf when there are none
  /// Sum of e^(value - maximum) over a row, which are also written unless `exponentials` is null.
  float (*sum_exponentials)(const float* values, std::int64_t count, float maximum, float* exponentials) = nullptr;
  void (*scale)(float* values, std::int64_t count, float factor) = nullptr;
  /// to = to_factor * to + from_factor * from
  void (*combine)(const float* from, float from_factor, float* to, float to_factor, std::int64_t count) = nullptr;
  void (*adamw)(const AdamWRow&) = nullptr;
  /// In double, in an order that is the same for every instruction set.
  double (*sum_of_squares)(const float* values, std::int64_t count) = nullptr;

  template <class T>
  [[nodiscard]] const TypedRowFunctions<T>& of() const {
    if constexpr (sizeof(T) == sizeof(float)) {
      return float32;
    } else {
      return bfloat16;
    }
  }
};

/// Of AVX-512, those that use AVX512_BF16 where the CPU has it.
[[nodiscard]] const RowFunctions& row_functions(Isa isa);

[[nodiscard]] const RowFunctions& portable_row_functions();
[[nodiscard]] const RowFunctions& avx2_row_functions();
[[nodiscard]] const RowFunctions& avx512_row_functions();
[[nodiscard]] const RowFunctions& avx512bf16_row_functions();

}  // namespace ringworld::row
