#pragma once
/// @file  The record of a run: tables of rows, and attributes, in one HDF5 file that a kill cannot damage.
///
///   append, set_attribute         commit: only what is new                 <path>
///   ----------------------> memory ------------------------------> [ HDF5 image | commit | commit | ...
///                             |     fold: all of it                ^
///                             +--> <path>.tmp-<pid> --fsync, rename+
///
/// The tables live in memory. A commit appends the rows that are new behind the HDF5 image, in the same file, and waits
/// until they are on disk (record_journal.hpp says how they are framed). HDF5 does not look behind its own end, so the
/// file opens at any moment, and whatever a killed writer leaves is a whole image, whole commits, and at most one that
/// is not whole and does not count. A fold writes all tables under another name and renames it: then the file is plain
/// HDF5.
///
/// Why the journal is in the record and not beside it: the two cannot be parted by a copy, a backup or a rename, and
/// the rename that replaces the image empties the journal in the same instant, so that no commit is applied twice. Why
/// not HDF5's own SWMR: a killed SWMR writer leaves a file marked as open, which has to be cleared by a tool, and no
/// new table may appear.
///
/// Who reads the file of a killed job: `--resume` folds it, `ringworld_analysis` reads through the journal, and
/// `python -m ringworld_analysis fold FILE` makes plain HDF5 of it. As long as there may be commits that the tables
/// lack, the root has the attribute `journal_begin`; a record without it is complete.
///
/// Cost of a commit: its own bytes and one fsync, whatever the record holds. When the journal has outgrown the image,
/// and when a table, a group or an attribute is new, the commit is a fold, which costs the size of the file; so the
/// bytes that are written are at most three times those that are recorded. One rank writes the record, and holds its
/// lock as long as it is open.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "io/attribute.hpp"
#include "io/record_array.hpp"
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

  /// Loads a record to append to it; the file does not change before the next commit, which folds it. Warns of a commit
  /// at the end of the file that was not ended.
  /// @throws ringworld::Error (bad_input) when the file is missing, not HDF5, truncated, not a record of this
  /// program, written by another job, or cannot be replaced.
  [[nodiscard]] static RecordFile resume(const std::filesystem::path& path);

  /// Loads the record that another process of the same job has open, and holds the lock of, but can bring no more rows
  /// to: it stands still. What that process has not committed is not in it.
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

  /// Appends numbers to an array, which appears with its first ones; returns the index of the first.
  template <class Number>
  std::int64_t append_numbers(const RecordArray& array, std::span<const Number> numbers) {
    require(ColumnKindOf<Number>::value == array.kind, "an array holds numbers of its own kind");
    return append_elements(array, std::ssize(numbers), std::as_bytes(numbers));
  }

  /// The numbers of an array from `first` on.
  /// @throws ringworld::Error (bad_input) when the array is missing, or has fewer.
  template <class Number>
  [[nodiscard]] std::vector<Number> read_numbers(const RecordArray& array, std::int64_t first,
                                                 std::int64_t count) const {
    require(ColumnKindOf<Number>::value == array.kind, "an array holds numbers of its own kind");
    std::vector<Number> numbers(static_cast<std::size_t>(count));
    read_elements(array, first, std::as_writable_bytes(std::span(numbers)));
    return numbers;
  }

  /// Appends the numbers from `first` on of an array of another record; returns the index of the first here.
  std::int64_t append_from(const RecordFile& other, const RecordArray& array, std::int64_t first, std::int64_t count);

  /// Writes a dataset of whole numbers of any shape, which does not grow. It is new structure: the next commit is a fold.
  /// @param values  row major, as many as the shape has
  /// @throws ringworld::Error (internal) when the record has something of this path already.
  void write_block(const std::string& path, std::span<const std::int64_t> shape, std::span<const std::int32_t> values,
                   const std::string& meaning);

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

  /// Writes all pending data to the file; it is durable even if this process is killed afterwards.
  /// @throws ringworld::Error (bad_input) when it cannot be written; what was committed before stays.
  void commit();

  /// Brings everything to the file, and all of it to its tables: the file is plain HDF5 then, until the next commit.
  /// @throws as commit
  void fold();

  /// Whether something was added that is not committed.
  [[nodiscard]] bool has_uncommitted() const noexcept;

 private:
  struct State;
  explicit RecordFile(std::unique_ptr<State> state);
  [[nodiscard]] static RecordFile load(std::unique_ptr<State> state);

  std::int64_t append_bytes(const RowLayout& layout, std::span<const std::byte> rows);
  std::int64_t append_elements(const RecordArray& array, std::int64_t count, std::span<const std::byte> elements);
  void read_elements(const RecordArray& array, std::int64_t first, std::span<std::byte> elements) const;
  [[nodiscard]] std::int64_t row_count(const RowLayout& layout) const;
  void read_bytes(const RowLayout& layout, std::span<std::byte> rows) const;

  struct ImageOptions {
    bool goes_on = false;   ///< whether commits are to follow
    bool backs_up = false;  ///< whether a file that was there is kept under another name
  };
  void write_image(ImageOptions options);
  [[nodiscard]] bool append_commit();

  std::unique_ptr<State> state_;
};

}  // namespace ringworld
