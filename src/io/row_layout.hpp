#pragma once
/// @file  A row type as data: its columns with their places in memory, so that HDF5 tables, console tables and the
/// schema page are written once, outside of templates.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>
#include <vector>

#include "io/row.hpp"

namespace ringworld {

/// A row type.
struct RowLayout {
  std::string_view path;
  std::string_view meaning;
  Columns columns;
  std::int64_t row_size = 0;        ///< bytes from one row to the next
  std::vector<std::byte> defaults;  ///< a value-initialised row
};

/// The layout of `Row`.
template <RecordRow Row>
[[nodiscard]] const RowLayout& layout_of() {
  static_assert(std::is_trivially_copyable_v<Row>, "rows are copied as bytes");
  static_assert(sizeof(bool) == 1);
  static const RowLayout layout = [] {
    RowLayout made{.path = Row::path,
                   .meaning = Row::meaning,
                   .columns = Row::columns(),
                   .row_size = static_cast<std::int64_t>(sizeof(Row)),
                   .defaults = std::vector<std::byte>(sizeof(Row))};
    std::memcpy(made.defaults.data(), &default_row<Row>, sizeof(Row));
    return made;
  }();
  return layout;
}

}  // namespace ringworld
