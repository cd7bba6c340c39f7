#pragma once
/// @file  The operand of the element-wise families: rows of activations whose element type is known at run time.

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "core/dtype.hpp"
#include "core/tensor_view.hpp"

namespace ringworld {

/// A (rows, columns) view; columns are dense, rows may lie apart (one half of a (T, 2F) buffer, a shard of columns).
template <bool IsConst>
struct BasicRowsView {
  using Pointer = std::conditional_t<IsConst, const void*, void*>;
  using Byte = std::conditional_t<IsConst, const std::byte, std::byte>;
  template <class T>
  using Element = std::conditional_t<IsConst, const T, T>;

  Pointer data = nullptr;
  DType dtype = DType::float32;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t row_stride = 0;  ///< elements from a row to the next

  BasicRowsView() = default;
  BasicRowsView(Pointer data_in, DType dtype_in, const std::array<std::int64_t, 2>& shape)
      : BasicRowsView(data_in, dtype_in, shape, shape[1]) {}
  BasicRowsView(Pointer data_in, DType dtype_in, const std::array<std::int64_t, 2>& shape, std::int64_t row_stride_in)
      : data(data_in), dtype(dtype_in), rows(shape[0]), columns(shape[1]), row_stride(row_stride_in) {}
  /// @pre the view's last stride is 1 (unchecked).
  template <class T>
    requires(IsConst || !std::is_const_v<T>)
  // NOLINTNEXTLINE(google-explicit-constructor)
  BasicRowsView(const TensorView<T, 2>& view)
      : BasicRowsView(view.data, dtype_of<std::remove_const_t<T>>, view.shape, view.strides[0]) {}
  template <bool OtherIsConst>
    requires(IsConst && !OtherIsConst)
  // NOLINTNEXTLINE(google-explicit-constructor)
  BasicRowsView(const BasicRowsView<OtherIsConst>& other)
      : BasicRowsView(other.data, other.dtype, {other.rows, other.columns}, other.row_stride) {}

  [[nodiscard]] bool is_null() const { return data == nullptr; }

  /// Whether both have as many rows and columns of the same type.
  template <bool OtherIsConst>
  [[nodiscard]] bool is_like(const BasicRowsView<OtherIsConst>& other) const {
    return rows == other.rows && columns == other.columns && dtype == other.dtype;
  }

  /// The first element of a row, null when the view is; unchecked, `T` must be the type of `dtype`.
  template <class T>
  [[nodiscard]] Element<T>* row(std::int64_t index) const {
    return is_null() ? nullptr : static_cast<Element<T>*>(data) + index * row_stride;
  }

  [[nodiscard]] BasicRowsView row_range(std::int64_t begin, std::int64_t count) const {
    return part(begin * row_stride, {count, columns});
  }
  [[nodiscard]] BasicRowsView column_range(std::int64_t begin, std::int64_t count) const {
    return part(begin, {rows, count});
  }

 private:
  [[nodiscard]] BasicRowsView part(std::int64_t offset, const std::array<std::int64_t, 2>& shape) const {
    // No rows may be no memory: null stays null.
    return {is_null() ? nullptr : static_cast<Byte*>(data) + offset * size_of(dtype), dtype, shape, row_stride};
  }
};

using RowsView = BasicRowsView<false>;
using ConstRowsView = BasicRowsView<true>;

}  // namespace ringworld
