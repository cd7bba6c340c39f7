#pragma once
/// @file  Whether operands can be moved 16 bytes at a time.

#include <cstdint>
#include <span>

#include "kernels/elementwise/rows_view.hpp"

namespace ringworld::row {

inline constexpr std::int64_t access_bytes = 16;

[[nodiscard]] inline bool is_aligned(const void* data) {
  return reinterpret_cast<std::uintptr_t>(data) % access_bytes == 0;
}

template <class T>
[[nodiscard]] bool is_aligned(std::span<T> values) {
  return is_aligned(static_cast<const void*>(values.data()));
}

/// Every row of the view, as far as it reaches. A null view is aligned.
template <bool IsConst>
[[nodiscard]] bool is_aligned(const BasicRowsView<IsConst>& view) {
  return is_aligned(view.data) && (view.rows <= 1 || view.row_stride * size_of(view.dtype) % access_bytes == 0);
}

/// Every head of the view.
template <bool IsConst>
[[nodiscard]] bool is_aligned(const BasicActivationView<IsConst>& view) {
  const auto fits = [&](std::size_t axis) {
    return view.shape[axis] <= 1 || view.strides[axis] * size_of(view.dtype) % access_bytes == 0;
  };
  return is_aligned(view.data) && fits(0) && fits(1) && fits(2);
}

}  // namespace ringworld::row
