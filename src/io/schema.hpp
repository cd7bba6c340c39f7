#pragma once
/// @file  The description of record tables, as Markdown, from the row types themselves.

#include <string>

#include "io/row_layout.hpp"

namespace ringworld {

/// The section of one table; the typed function below is the one to call.
[[nodiscard]] std::string schema_section(const RowLayout& layout);

/// A heading with the table's path, what a row is, and the name, unit, type and meaning of each column.
template <RecordRow Row>
[[nodiscard]] std::string schema_section() {
  return schema_section(layout_of<Row>());
}

}  // namespace ringworld
