#pragma once
/// @file  Owning (rows, columns) tensors whose rows lie apart, with guard bytes before, between and behind them.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/random.hpp"
#include "kernels/elementwise/rows_view.hpp"
#include "kernels/elementwise/widened_row.hpp"

namespace ringworld::test {

/// Contents are seeded standard normal numbers, a function of (stream, row-major index).
class GuardedRows {
 public:
  GuardedRows(DType dtype, std::int64_t rows, std::int64_t columns, std::uint64_t stream, float factor = 1.0F)
      : dtype_(dtype),
        rows_(rows),
        columns_(columns),
        bytes_(static_cast<std::size_t>((2 * guard_elements + rows * stride()) * size_of(dtype)), guard) {
    const CounterRng rng(11, stream);
    for (std::int64_t row = 0; row < rows; ++row) {
      std::vector<double> values;
      for (std::int64_t column = 0; column < columns; ++column) {
        const auto index = static_cast<std::uint64_t>(row * columns + column);
        values.push_back(static_cast<double>(factor * rng.normals(index / 4)[index % 4]));
      }
      row::narrow(values, view(), row);
    }
  }

  [[nodiscard]] RowsView view() {
    return {bytes_.data() + guard_elements * size_of(dtype_), dtype_, {rows_, columns_}, stride()};
  }

  /// Row-major, exactly.
  [[nodiscard]] std::vector<double> values() {
    std::vector<double> all;
    for (std::int64_t row = 0; row < rows_; ++row) {
      const std::vector<double> more = row::widened(view(), row);
      all.insert(all.end(), more.begin(), more.end());
    }
    return all;
  }

  /// Whether nothing was written outside of the rows.
  [[nodiscard]] bool guards_are_intact() const {
    const auto element = static_cast<std::size_t>(size_of(dtype_));
    const auto begin = static_cast<std::size_t>(guard_elements) * element;
    const std::size_t row_bytes = static_cast<std::size_t>(stride()) * element;
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
      const bool is_in_a_row = i >= begin && i < begin + static_cast<std::size_t>(rows_) * row_bytes &&
                               (i - begin) % row_bytes < static_cast<std::size_t>(columns_) * element;
      if (!is_in_a_row && bytes_[i] != guard) {
        return false;
      }
    }
    return true;
  }

 private:
  static constexpr std::byte guard{0xa5};
  static constexpr std::int64_t guard_elements = 64;

  /// Rows that fill whole vectors begin where vectors may, others anywhere.
  [[nodiscard]] std::int64_t stride() const { return columns_ + (columns_ % 8 == 0 ? 8 : 3); }

  DType dtype_;
  std::int64_t rows_;
  std::int64_t columns_;
  std::vector<std::byte> bytes_;
};

}  // namespace ringworld::test
