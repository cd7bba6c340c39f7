#pragma once
/// @file  Rows as an aligned table of text for a terminal or a batch log.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "io/row_layout.hpp"

namespace ringworld {

/// The table of rows that lie as `layout` says; the typed function below is the one to call.
[[nodiscard]] std::string console_table(const RowLayout& layout, std::span<const std::byte> rows,
                                        std::span<const std::string_view> columns);

/// A header of names, a line of units, and one line a row; numbers are right aligned.
///
/// Quantities have four digits and an SI prefix ("12.5m" in a column of [s] is 12.5 ms); counts are exact.
/// @param columns  names of the columns to show, in this order; all of them when empty
/// @throws ringworld::Error (bad_input) that names the nearest column when one does not exist.
template <RecordRow Row>
[[nodiscard]] std::string console_table(std::span<const Row> rows, std::span<const std::string_view> columns = {}) {
  return console_table(layout_of<Row>(), std::as_bytes(rows), columns);
}

/// 4 significant digits and an SI prefix from p to E: 1.5e-3 -> "1.5m", 2.5e12 -> "2.5T".
[[nodiscard]] std::string with_si_prefix(double value);

}  // namespace ringworld
