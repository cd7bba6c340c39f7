#pragma once
/// @file  The record of a run: tables of rows, and attributes, in one HDF5 file that a kill cannot damage.
///
///   append, set_attribute         commit
///   ----------------------> memory ------> <path>.tmp-<pid> --fsync, rename--> <path>
///
/// The file lives in memory; a commit writes all of it under another name and renames it, so that what lies at `path`
/// is a whole file at any moment. One rank writes the record, and holds its lock as long as it is open. Cost of a commit: the size of the file, and one fsync.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/attribute.hpp"
#include "io/row_layout.hpp"

namespace ringworld {

/// A record, open for reading and appending. Whatever is not committed is lost when it closes.
class RecordFile {
 public:
  /// Starts an empty record and commits it, so that an output that cannot be written is known before the run.
  ///
  /// An existing file is kept: it is renamed, see `backup()`.
  /// @throws ringworld::Error (bad_input) that names `path` and says why it cannot be written, as when another job
  /// writes it.
  [[nodiscard]] static RecordFile create(const std::filesystem::path& path);

  /// Loads a record to append to it; the file does not change before the next commit.
  /// @throws ringworld::Error (bad_input) when the file is missing, not HDF5, truncated, not a record of this
  /// program, written by another job, or cannot be replaced.
  [[nodiscard]] static RecordFile resume(const std::filesystem::path& path);

  /// Loads the record that another process of the same job has open, and holds the lock of, but can bring no more rows to:
  /// it stands still. What that process has not committed is not in it.
  /// @throws as resume, but for the other process
  [[nodiscard]] static RecordFile stand_in(const std::filesystem::path& path);

  RecordFile(RecordFile&&) noexcept;
  RecordFile& operator=(RecordFile&&) noexcept;
  ~RecordFile();

  [[nodiscard]] const std::filesystem::path& path() const noexcept;

  /// The name that `create` gave to the file that was at `path` before; nothing when there was none.
  [[nodiscard]] const std::optional<std::filesystem::path>& backup() const noexcept;

  /// Appends a row to the table `Row::path`, which appears with its first row; returns its index.
  ///
  /// Columns are matched by name: a table that an older version wrote gets the columns it lacks.
  /// @throws ringworld::Error (bad_input) when a column has another type, or when the table has one that Row lacks.
  template <RecordRow Row>
  std::int64_t append(const Row& row) {
    return append_all(std::span<const Row>(&row, 1));
  }

  /// Appends rows; returns the index of the first.
  template <RecordRow Row>
  std::int64_t append_all(std::span<const Row> rows) {
    return append_bytes(layout_of<Row>(), std::as_bytes(rows));
  }

  /// All rows of `Row::path`, none when the record has no such table. Columns that the table lacks hold the defaults.
  /// @throws ringworld::Error (bad_input) when a column has another type.
  template <RecordRow Row>
  [[nodiscard]] std::vector<Row> read() const {
    const auto layout = layout_of<Row>();
    std::vector<Row> rows(static_cast<std::size_t>(row_count(layout)));
    read_bytes(layout, std::as_writable_bytes(std::span(rows)));
    return rows;
  }

  template <RecordRow Row>
  [[nodiscard]] bool has_table() const {
    return has(Row::path);
  }

  /// Whether the record has a group or table of this path.
  [[nodiscard]] bool has(std::string_view path) const;

  /// Makes a group, and those above it, unless it is there.
  void make_group(const std::string& path);

  /// Sets an attribute of a group or table, in place of one of the same name; makes the group when it is missing.
  void set_attribute(const std::string& object, const std::string& name, const AttributeValue& value);

  /// An attribute of a group or table; nothing when the object or the attribute is missing.
  [[nodiscard]] std::optional<AttributeValue> attribute(const std::string& object, const std::string& name) const;

  /// Brings everything to the file.
  /// @throws ringworld::Error (bad_input) when it cannot be written; the last committed file stays.
  void commit();

 private:
  struct State;
  explicit RecordFile(std::unique_ptr<State> state);
  [[nodiscard]] static RecordFile load(std::unique_ptr<State> state);

  std::int64_t append_bytes(const RowLayout& layout, std::span<const std::byte> rows);
  [[nodiscard]] std::int64_t row_count(const RowLayout& layout) const;
  void read_bytes(const RowLayout& layout, std::span<std::byte> rows) const;

  std::unique_ptr<State> state_;
};

}  // namespace ringworld
