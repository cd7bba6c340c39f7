#include "io/schema.hpp"

#include <fmt/format.h>

#include <string_view>

namespace ringworld {

namespace {

/// A bar would end the cell.
std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    result += c == '|' ? "\\|" : std::string(1, c);
  }
  return result;
}

std::string type_cell(const Column& column) {
  return column.kind == ColumnKind::text ? fmt::format("text, at most {} bytes", column.size - 1)
                                         : std::string(name_of(column.kind));
}

}  // namespace

std::string schema_section(const RowLayout& layout) {
  auto section = fmt::format("## `{}`\n\n{}\n\n| column | unit | type | meaning |\n|---|---|---|---|\n", layout.path,
                             layout.meaning);
  for (const auto& column : layout.columns) {
    section += fmt::format("| `{}` | {} | {} | {} |\n", column.name, escaped(column.unit), type_cell(column),
                           escaped(column.meaning));
  }
  return section;
}

}  // namespace ringworld
