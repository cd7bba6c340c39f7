#pragma once
/// @file  The description of record tables, as Markdown or JSON, from the row types themselves.

#include <span>
#include <string>
#include <vector>

#include "io/record_array.hpp"
#include "io/row_layout.hpp"

namespace ringworld {

/// What there is to say of a table.
struct TableSchema {
  RowLayout layout;
  std::vector<RecordArray> arrays{};  ///< that its rows have numbers in
};

template <RecordRow Row>
[[nodiscard]] TableSchema schema_of() {
  TableSchema table{.layout = layout_of<Row>()};
  if constexpr (RowWithArrays<Row>) {
    const auto arrays = Row::arrays();
    table.arrays.assign(arrays.begin(), arrays.end());
  }
  return table;
}

/// A heading with the table's path, what a row is, the name, role, unit, type and meaning of each column, and the path,
/// unit, type and meaning of each array.
[[nodiscard]] std::string schema_section(const TableSchema& table);

/// {"tables": [{"path", "meaning", "columns": [{"name", "type", "unit", "role", "meaning"}], "arrays": [{"path",
/// "type", "unit", "meaning"}]}]}, in the order given; the type is as in the Markdown page.
[[nodiscard]] std::string schema_json(std::span<const TableSchema> tables);

}  // namespace ringworld
