#pragma once
/// @file  Tensors that many ranks hold together, in one HDF5 file: written and read in parallel, each rank its own part.
///
///   tensor (out, in)            slice of a tensor-parallel rank      range of a shard: begin <= element < end, row major
///   +-----------------+         +--------+--------+                  +--------+
///   |                 |         |        |xxxxxxxx|                  |    ----|  part of a row
///   |                 |         |        |xxxxxxxx|                  |--------|  whole rows
///   +-----------------+         +--------+--------+                  |--      |  part of a row
///                                                                    +--------+
/// A range is at most three boxes of the dataset, so a rank reads it in one collective call, whatever the ranks and slices
/// were that wrote it. Dataset names are as in Hugging Face's files; h5py reads them as they are.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "comm/communicator.hpp"
#include "io/attribute.hpp"

namespace ringworld {

/// What one rank holds of a tensor of one or two dimensions.
struct TensorRange {
  static constexpr int whole = -1;

  std::vector<std::int64_t> shape;  ///< of the whole tensor
  int axis = whole;                 ///< along which the slice is cut; `whole`: it is not
  std::int64_t slice_begin = 0;     ///< slice_begin <= index < slice_begin + slice_count along `axis`
  std::int64_t slice_count = 0;
  std::int64_t begin = 0;  ///< of the flat slice
  std::int64_t end = 0;    ///< begin == end: nothing

  [[nodiscard]] std::int64_t size() const { return end - begin; }
};

/// A rectangle of rows and columns; a tensor of one dimension has one column.
struct TensorBox {
  std::int64_t row = 0;
  std::int64_t column = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;

  bool operator==(const TensorBox&) const = default;
};

/// The range as rectangles of the whole tensor, in row-major order: up to three.
/// @throws ringworld::Error when the range lies outside the slice, or the slice outside the tensor.
[[nodiscard]] std::vector<TensorBox> boxes_of(const TensorRange& range);

/// A new file, which takes its name when it is whole. Every call is collective over the communicator. The root makes the
/// file's structure and holds the path's lock meanwhile; each rank writes its own elements where the root says that they
/// belong, by system calls of its own. MPI's collective writes do not serve: when a rank's write fails, Open MPI 4.1 loses
/// the error, or the other ranks wait for ever.
///
///   root      structure: dataset, its place ----+------------------------------> close, rename
///   rank 0                                      +--> pwrite its boxes --> fsync --^
///   rank 1                                      +--> pwrite its boxes --> fsync --^
/// What one rank cannot write is an error (bad_input, collective) of all.
class CheckpointWriter {
 public:
  /// Clears away what killed writers of the same path left.
  /// @throws ringworld::Error (bad_input, collective) that names `path` when it cannot be written.
  CheckpointWriter(const Communicator& communicator, const std::filesystem::path& path);
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;
  /// Leaves nothing behind unless the file was published.
  ~CheckpointWriter();

  /// Adds a float32 dataset; together the ranges of all ranks hold every element once.
  /// @param name  may be a path through groups     @param range  of this rank; `shape` is the same on every rank
  /// @param values  range.size() elements
  void write(const std::string& name, const TensorRange& range, std::span<const float> values);

  /// Sets an attribute of the file; the same value on every rank.
  void set_attribute(const std::string& name, const AttributeValue& value);

  /// Brings the file to disk and gives it its name, in place of one that had it. Once only.
  void publish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A file open for reading. Every call is collective over the communicator.
///
/// Errors are bad_input, collective, and name the file, the dataset, what was expected and what was found.
class CheckpointReader {
 public:
  CheckpointReader(const Communicator& communicator, const std::filesystem::path& path);
  CheckpointReader(const CheckpointReader&) = delete;
  CheckpointReader& operator=(const CheckpointReader&) = delete;
  ~CheckpointReader();

  [[nodiscard]] const std::filesystem::path& path() const noexcept;
  [[nodiscard]] const Communicator& communicator() const noexcept;
  [[nodiscard]] bool has(const std::string& name) const;

  /// The datasets of the file, by their paths from its root, also those that links lead to.
  [[nodiscard]] std::vector<std::string> datasets() const;

  /// @throws ringworld::Error when the dataset is missing, of another shape or not of floating point.
  void require_tensor(const std::string& name, std::span<const std::int64_t> shape) const;

  /// Reads this rank's range of a dataset of floating-point numbers of any size. Numbers beyond float32 become infinite.
  /// @throws as require_tensor
  void read(const std::string& name, const TensorRange& range, std::span<float> values) const;

  /// The attributes of the file, in alphabetical order.
  [[nodiscard]] std::vector<std::string> attribute_names() const;

  /// An attribute of the file; nothing when there is none of this name, or it is empty.
  /// @throws ringworld::Error when it holds something else than numbers, truth values or text.
  [[nodiscard]] std::optional<AttributeValue> attribute(const std::string& name) const;

  /// The same as a bool, std::int64_t, double or std::string (attribute.hpp says what counts as one).
  /// @throws ringworld::Error when it is missing or of another type.
  template <class T>
  [[nodiscard]] T get(const std::string& name) const {
    const auto value = attribute(name);
    std::optional<T> typed;
    if (value.has_value()) {
      typed = as<T>(*value);
    }
    if (!typed.has_value()) {
      throw_attribute(name, value, description_of<T>());
    }
    return *std::move(typed);
  }

 private:
  template <class T>
  static std::optional<T> as(const AttributeValue& value) {
    if constexpr (std::is_same_v<T, bool>) {
      return as_boolean(value);
    } else if constexpr (std::is_same_v<T, std::int64_t>) {
      return as_integer(value);
    } else if constexpr (std::is_same_v<T, double>) {
      return as_number(value);
    } else {
      return as_text(value);
    }
  }
  template <class T>
  static constexpr std::string_view description_of() {
    if constexpr (std::is_same_v<T, bool>) {
      return "a truth value";
    } else if constexpr (std::is_same_v<T, std::int64_t>) {
      return "an integer";
    } else if constexpr (std::is_same_v<T, double>) {
      return "a number";
    } else {
      return "text";
    }
  }
  [[noreturn]] void throw_attribute(const std::string& name, const std::optional<AttributeValue>& found,
                                    std::string_view expected) const;

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ringworld
