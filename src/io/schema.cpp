#include "io/schema.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

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
  auto section = fmt::format("## `{}`\n\n{}\n\n| column | role | unit | type | meaning |\n|---|---|---|---|---|\n",
                             layout.path, layout.meaning);
  for (const auto& column : layout.columns) {
    section += fmt::format("| `{}` | {} | {} | {} | {} |\n", column.name, name_of(column.role), escaped(column.unit),
                           type_cell(column), escaped(column.meaning));
  }
  return section;
}

std::string schema_json(std::span<const RowLayout> layouts) {
  using Json = nlohmann::ordered_json;
  Json tables = Json::array();
  for (const RowLayout& layout : layouts) {
    Json columns = Json::array();
    for (const Column& column : layout.columns) {
      columns.push_back({{"name", column.name},
                         {"type", type_cell(column)},
                         {"unit", column.unit},
                         {"role", name_of(column.role)},
                         {"meaning", column.meaning}});
    }
    tables.push_back({{"path", layout.path}, {"meaning", layout.meaning}, {"columns", columns}});
  }
  return Json{{"tables", tables}}.dump(2) + "\n";
}

}  // namespace ringworld
