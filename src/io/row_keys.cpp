#include "io/row_keys.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace ringworld {
namespace {

template <class Number>
void append_number(std::string& key, const std::byte* place) {
  Number value;
  std::memcpy(&value, place, sizeof(value));
  value = std::isnan(value) ? std::numeric_limits<Number>::quiet_NaN() : value + Number{0};
  const auto bytes = std::bit_cast<std::array<char, sizeof(value)>>(value);
  key.append(bytes.data(), bytes.size());
}

}  // namespace

std::string key_of(const RowLayout& layout, std::span<const std::byte> row) {
  std::string key;
  for (const Column& column : layout.columns) {
    if (column.role != Role::key) {
      continue;
    }
    const std::byte* const place = row.data() + column.offset;
    const auto* const bytes = reinterpret_cast<const char*>(place);
    const auto size = static_cast<std::size_t>(column.size);
    switch (column.kind) {
      case ColumnKind::float32:
        append_number<float>(key, place);
        break;
      case ColumnKind::float64:
        append_number<double>(key, place);
        break;
      case ColumnKind::text:
        // What lies behind the end of a text does not count.
        key.append(bytes, ::strnlen(bytes, size)) += '\0';
        break;
      default:
        key.append(bytes, size);
    }
  }
  return key;
}

}  // namespace ringworld
