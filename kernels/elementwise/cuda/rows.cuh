#pragma once
/// @file  The rows of an operand as a kernel sees them.

#include <cstdint>
#include <type_traits>

#include "kernels/elementwise/rows_view.hpp"

namespace ringworld::row {

template <class T>
struct Rows {
  T* data = nullptr;
  std::int64_t stride = 0;  ///< elements from a row to the next

  __device__ __forceinline__ T* at(std::int64_t row, std::int64_t column) const { return data + row * stride + column; }
};

/// Unchecked: `T` must be the type of the view's dtype.
template <class T, bool IsConst>
[[nodiscard]] auto rows_of(const BasicRowsView<IsConst>& view) {
  using Element = std::conditional_t<IsConst, const T, T>;
  return Rows<Element>{static_cast<Element*>(view.data), view.row_stride};
}

/// Elements of T that one access moves.
template <class T>
inline constexpr int access_width = static_cast<int>(16 / sizeof(T));

}  // namespace ringworld::row
