#pragma once
/// @file  Arrays that belong to the rows of a table: numbers of which a row has as many as it likes.
///
///   table    row 0: first 0    row 1: first 6             row 2: first 14
///   array    | a a a a a a     | b b b b b b b b          | c c ...
///
/// The numbers of all rows lie one behind another in datasets of their own, one a figure, and a row says where its own
/// begin and how many they are. HDF5's variable-length type would put them into the file's global heap: 16 bytes more a
/// row and figure, no filter can shrink them, and a commit could not copy them as they are stored.
///
/// A row type with arrays declares them beside its fields, and has members `first` and `count()`:
///
///   static constexpr std::array<RecordArray, 2> arrays();

#include <concepts>
#include <cstdint>
#include <string_view>

#include "io/row.hpp"
#include "io/row_layout.hpp"

namespace ringworld {

/// One figure of the rows of a table.
struct RecordArray {
  std::string_view path;  ///< of its dataset
  ColumnKind kind = ColumnKind::float32;
  std::string_view unit;
  std::string_view meaning;
};

/// A row whose figures lie in arrays, at [first, first + count()) of each.
template <class Row>
concept RowWithArrays = RecordRow<Row> && requires(Row row) {
  { row.first } -> std::same_as<std::int64_t&>;
  { row.count() } -> std::same_as<std::int64_t>;
  Row::arrays();
};

}  // namespace ringworld
