#pragma once
/// @file  A table of a record: an extendable 1-D dataset of a compound type, described by its attributes `meaning`,
/// `columns`, `units` and `meanings` (the last three are aligned). Private to src/io.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "io/hdf5/handles.hpp"
#include "io/row_layout.hpp"

namespace ringworld::hdf5 {

/// Columns are matched by name, so that a table survives changes of its row type.
class Table {
 public:
  /// Opens the table of `layout` to read it.
  /// @throws ringworld::Error (bad_input) when it is no table, or when a column of the same name has another type.
  static Table open(hid_t file, const RowLayout& layout);

  /// Opens the table of `layout` to append to it: creates it, or adds the columns that an older version lacked (their
  /// old rows get the defaults).
  /// @throws ringworld::Error (bad_input) as above, and when the table has a column that `layout` does not know.
  static Table open_for_append(hid_t file, const RowLayout& layout);

  [[nodiscard]] std::int64_t row_count() const;

  [[nodiscard]] const Dataset& dataset() const noexcept { return dataset_; }

  /// Appends rows that lie `layout.row_size` bytes apart; returns the index of the first.
  std::int64_t append(const RowLayout& layout, std::span<const std::byte> rows);

  /// Overwrites the columns that the table has in `rows`, which must hold `row_count()` rows.
  void read(const RowLayout& layout, std::span<std::byte> rows) const;

 private:
  explicit Table(Dataset dataset) : dataset_(std::move(dataset)) {}
  static Table create(hid_t file, const RowLayout& layout, const Datatype& type);

  [[nodiscard]] Datatype stored_type() const;
  [[nodiscard]] Table widened(hid_t file, const RowLayout& layout) &&;

  Dataset dataset_;
};

}  // namespace ringworld::hdf5
