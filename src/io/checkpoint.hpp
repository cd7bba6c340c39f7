#pragma once
/// @file  Tensors that many ranks hold together, in one HDF5 file: written and read in parallel, each rank its own part.
///
///   tensor (out, in)            slice of a tensor-parallel rank      range of a shard: begin <= element < end, row major
///   +-----------------+         +--------+--------+                  +--------+
///   |                 |         |        |xxxxxxxx|                  |    ----|  part of a row
///   |                 |         |        |xxxxxxxx|                  |--------|  whole rows
///   +-----------------+         +--------+--------+                  |--      |  part of a row
///                                                                    +--------+
/// A range is at most three boxes of the dataset, so a rank reads or writes it in one collective call, whatever the
/// ranks and slices were that wrote it. Dataset names are as in Hugging Face's files; h5py reads them as they are.

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

/// A new file, which takes its name when it is whole. Every call is collective over the communicator.
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
  [[nodiscard]] bool has(const std::string& name) const;

  /// Reads this rank's range of a dataset of 16, 32 or 64-bit floating point numbers.
  /// @throws ringworld::Error when the dataset is missing, of another shape or not of floating point.
  void read(const std::string& name, const TensorRange& range, std::span<float> values) const;

  /// An attribute of the file; nothing when there is none of this name.
  [[nodiscard]] std::optional<AttributeValue> attribute(const std::string& name) const;

  /// The same, of this type.
  /// @throws ringworld::Error when it is missing or of another type.
  template <class T>
  [[nodiscard]] T get(const std::string& name) const {
    const auto value = attribute(name);
    const T* const typed = value.has_value() ? std::get_if<T>(&*value) : nullptr;
    if (typed == nullptr) {
      throw_attribute(name, value.has_value(), description_of<T>());
    }
    return *typed;
  }

 private:
  template <class T>
  static constexpr std::string_view description_of() {
    if constexpr (std::is_same_v<T, bool>) {
      return "a boolean";
    } else if constexpr (std::is_same_v<T, std::int64_t>) {
      return "an integer";
    } else if constexpr (std::is_same_v<T, double>) {
      return "a number";
    } else {
      return std::is_same_v<T, std::string> ? "text" : "a list";
    }
  }
  [[noreturn]] void throw_attribute(const std::string& name, bool is_there, std::string_view expected) const;

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ringworld
