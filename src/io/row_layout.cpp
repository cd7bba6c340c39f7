#include "io/row_layout.hpp"

namespace ringworld {

std::string_view name_of(ColumnKind kind) noexcept {
  switch (kind) {
    case ColumnKind::int32:
      return "int32";
    case ColumnKind::int64:
      return "int64";
    case ColumnKind::float64:
      return "float64";
    case ColumnKind::boolean:
      return "bool";
    case ColumnKind::text:
      return "text";
  }
  return "unknown";
}

}  // namespace ringworld
