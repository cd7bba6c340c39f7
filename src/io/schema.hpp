#pragma once
/// @file  The description of record tables, as Markdown or JSON, from the row types themselves.

#include <span>
#include <string>

#include "io/row_layout.hpp"

namespace ringworld {

/// The section of one table; the typed function below is the one to call.
[[nodiscard]] std::string schema_section(const RowLayout& layout);

/// A heading with the table's path, what a row is, and the name, role, unit, type and meaning of each column.
template <RecordRow Row>
[[nodiscard]] std::string schema_section() {
  return schema_section(layout_of<Row>());
}

/// {"tables": [{"path", "meaning", "columns": [{"name", "type", "unit", "role", "meaning"}]}]}, in the order given; the
/// type is as in the Markdown page.
[[nodiscard]] std::string schema_json(std::span<const RowLayout> layouts);

}  // namespace ringworld
