#pragma once
/// @file  Rows as doubles, for the reference backends.

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/elementwise/rows_view.hpp"

namespace ringworld::row {

/// The elements of a row, exactly.
[[nodiscard]] inline std::vector<double> widened(const ConstRowsView& view, std::int64_t row) {
  std::vector<double> values(static_cast<std::size_t>(view.columns));
  with_type(view.dtype, [&](auto type) {
    const auto* from = view.row<decltype(type)>(row);
    for (std::size_t column = 0; column < values.size(); ++column) {
      values[column] = static_cast<double>(static_cast<float>(from[column]));
    }
  });
  return values;
}

[[nodiscard]] inline std::vector<double> widened(std::span<const float> values) {
  return {values.begin(), values.end()};
}

/// Rounds a row to the view's type.
inline void narrow(std::span<const double> values, const RowsView& view, std::int64_t row) {
  with_type(view.dtype, [&](auto type) {
    using T = decltype(type);
    T* to = view.row<T>(row);
    for (std::size_t column = 0; column < values.size(); ++column) {
      to[column] = static_cast<T>(static_cast<float>(values[column]));
    }
  });
}

}  // namespace ringworld::row
