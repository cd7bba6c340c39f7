#pragma once
/// @file  Rows as CSV for a program (RFC 4180), in the place of the table for people.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "io/console_table.hpp"
#include "io/row_layout.hpp"

namespace ringworld {

/// A line of names, then one line a row; numbers have all their digits, and no units.
/// @param columns  as of console_table
[[nodiscard]] std::string csv_table(const RowLayout& layout, std::span<const std::byte> rows,
                                    std::span<const std::string_view> columns);

/// One of the two tables.
template <RecordRow Row>
[[nodiscard]] std::string text_table(std::span<const Row> rows, std::span<const std::string_view> columns,
                                     bool is_csv) {
  return is_csv ? csv_table(layout_of<Row>(), std::as_bytes(rows), columns) : console_table(rows, columns);
}

}  // namespace ringworld
