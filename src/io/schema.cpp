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

std::string schema_section(const TableSchema& table) {
  const RowLayout& layout = table.layout;
  auto section = fmt::format("## `{}`\n\n{}\n\n| column | role | unit | type | meaning |\n|---|---|---|---|---|\n",
                             layout.path, layout.meaning);
  for (const auto& column : layout.columns) {
    section += fmt::format("| `{}` | {} | {} | {} | {} |\n", column.name, name_of(column.role), escaped(column.unit),
                           type_cell(column), escaped(column.meaning));
  }
  if (!table.arrays.empty()) {
    section += "\n| array | unit | type | meaning |\n|---|---|---|---|\n";
  }
  for (const RecordArray& array : table.arrays) {
    section += fmt::format("| `{}` | {} | {} | {} |\n", array.path, escaped(array.unit), name_of(array.kind),
                           escaped(array.meaning));
  }
  return section;
}

std::string schema_json(std::span<const TableSchema> schemas) {
  using Json = nlohmann::ordered_json;
  Json tables = Json::array();
  for (const auto& [layout, its_arrays] : schemas) {
    Json columns = Json::array();
    for (const Column& column : layout.columns) {
      columns.push_back({{"name", column.name},
                         {"type", type_cell(column)},
                         {"unit", column.unit},
                         {"role", name_of(column.role)},
                         {"meaning", column.meaning}});
    }
    Json arrays = Json::array();
    for (const RecordArray& array : its_arrays) {
      arrays.push_back(
          {{"path", array.path}, {"type", name_of(array.kind)}, {"unit", array.unit}, {"meaning", array.meaning}});
    }
    tables.push_back({{"path", layout.path}, {"meaning", layout.meaning}, {"columns", columns}, {"arrays", arrays}});
  }
  return Json{{"tables", tables}}.dump(2) + "\n";
}

}  // namespace ringworld
