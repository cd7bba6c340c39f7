#pragma once
/// @file  Numbers of either type in the memory of a Kokkos execution space, read and written as floats.

#include <Kokkos_Core.hpp>
#include <cstdint>
#include <cstring>

#include "kernels/elementwise/rows_view.hpp"

namespace ringworld::kokkos {

// The conversions of core/bf16.hpp are not compiled for devices.

KOKKOS_INLINE_FUNCTION float widen(std::uint16_t bits) {
  const std::uint32_t word = static_cast<std::uint32_t>(bits) << 16U;
  float value = 0;
  std::memcpy(&value, &word, sizeof(value));
  return value;
}

/// To nearest, ties to even; NaN stays NaN.
KOKKOS_INLINE_FUNCTION std::uint16_t narrow(float value) {
  std::uint32_t word = 0;
  std::memcpy(&word, &value, sizeof(word));
  const bool is_nan = (word & 0x7fffffffU) > 0x7f800000U;
  const std::uint32_t half_minus_ties = 0x7fffU + ((word >> 16U) & 1U);
  return static_cast<std::uint16_t>(is_nan ? (word >> 16U) | 0x0040U : (word + half_minus_ties) >> 16U);
}

/// Elements one behind another. The type is asked for at run time: one instantiation of a kernel serves both.
class Reader {
 public:
  Reader(const void* data, DType dtype) : data_(data), is_float32_(dtype == DType::float32) {}

  KOKKOS_INLINE_FUNCTION float operator()(std::int64_t index) const {
    return is_float32_ ? static_cast<const float*>(data_)[index]
                       : widen(static_cast<const std::uint16_t*>(data_)[index]);
  }

 private:
  const void* data_;
  bool is_float32_;
};

class Writer {
 public:
  Writer(void* data, DType dtype) : data_(data), is_float32_(dtype == DType::float32) {}

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t index, float value) const {
    if (is_float32_) {
      static_cast<float*>(data_)[index] = value;
    } else {
      static_cast<std::uint16_t*>(data_)[index] = narrow(value);
    }
  }
  KOKKOS_INLINE_FUNCTION float operator()(std::int64_t index) const {
    return is_float32_ ? static_cast<const float*>(data_)[index]
                       : widen(static_cast<const std::uint16_t*>(data_)[index]);
  }

 private:
  void* data_;
  bool is_float32_;
};

/// ConstRowsView in a kernel.
class RowsReader {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor)
  RowsReader(const ConstRowsView& rows)
      : elements_(rows.data, rows.dtype), row_stride_(rows.row_stride), is_null_(rows.is_null()) {}

  KOKKOS_INLINE_FUNCTION float operator()(std::int64_t row, std::int64_t column) const {
    return elements_(row * row_stride_ + column);
  }
  KOKKOS_INLINE_FUNCTION bool is_null() const { return is_null_; }

 private:
  Reader elements_;
  std::int64_t row_stride_;
  bool is_null_;
};

/// RowsView in a kernel; reads as well.
class RowsWriter {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor)
  RowsWriter(const RowsView& rows)
      : elements_(rows.data, rows.dtype), row_stride_(rows.row_stride), is_null_(rows.is_null()) {}

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t row, std::int64_t column, float value) const {
    elements_(row * row_stride_ + column, value);
  }
  KOKKOS_INLINE_FUNCTION float operator()(std::int64_t row, std::int64_t column) const {
    return elements_(row * row_stride_ + column);
  }
  KOKKOS_INLINE_FUNCTION bool is_null() const { return is_null_; }

 private:
  Writer elements_;
  std::int64_t row_stride_;
  bool is_null_;
};

}  // namespace ringworld::kokkos
