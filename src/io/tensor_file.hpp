#pragma once
/// @file  Tensors in HDF5 files of other programs: read by parts, and written so that no half file is ever seen.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/attribute.hpp"
#include "io/element_type.hpp"

namespace ringworld {

/// Every `stride`-th element from `start`, `count` of them, along each dimension of a dataset.
struct Hyperslab {
  std::vector<std::int64_t> start;
  std::vector<std::int64_t> count;
  // NOLINTNEXTLINE(readability-redundant-member-init): lets designated initialisers leave it out without a warning.
  std::vector<std::int64_t> stride = {};  ///< empty: 1 along each dimension
};

struct TensorInfo {
  std::vector<std::int64_t> shape;
  ElementType type;
};

/// An HDF5 file, open for reading. Any number of ranks may open the same file.
///
/// Errors are bad_input and name the file, the dataset, what was expected and what was found.
class TensorReader {
 public:
  /// @throws ringworld::Error when the file is missing, unreadable, not HDF5 or truncated.
  [[nodiscard]] static TensorReader open(const std::filesystem::path& path);

  TensorReader(TensorReader&&) noexcept;
  TensorReader& operator=(TensorReader&&) noexcept;
  ~TensorReader();

  [[nodiscard]] const std::filesystem::path& path() const noexcept;

  /// Whether there is an object of this name, which may be a path through groups.
  [[nodiscard]] bool has(const std::string& dataset) const;

  /// @throws ringworld::Error when there is no such dataset.
  [[nodiscard]] TensorInfo describe(const std::string& dataset) const;

  /// An attribute of the file itself, or nothing when there is none of this name.
  [[nodiscard]] std::optional<AttributeValue> attribute(const std::string& name) const;

  /// @throws ringworld::Error unless the dataset has exactly this shape.
  void require_shape(const std::string& dataset, std::span<const std::int64_t> shape) const;

  /// Reads floating-point numbers of any size as float32, dense and row major in the shape `slab.count`. Numbers beyond
  /// float32 become infinite.
  /// @throws ringworld::Error when the elements are of another type, or the slab lies outside the dataset.
  void read(const std::string& dataset, const Hyperslab& slab, std::span<float> values) const;

  /// Reads integers of any size, or booleans as 0 and 1.
  /// @throws ringworld::Error as above, and naming the first element that int32 cannot hold.
  void read(const std::string& dataset, const Hyperslab& slab, std::span<std::int32_t> values) const;

 private:
  struct State;
  explicit TensorReader(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

/// A new HDF5 file of float32 tensors, which appears at its path when it is finished. One rank writes, and holds the
/// path's lock meanwhile.
class TensorWriter {
 public:
  /// @throws ringworld::Error (bad_input) that names `path` when it cannot be written.
  [[nodiscard]] static TensorWriter create(const std::filesystem::path& path);

  TensorWriter(TensorWriter&&) noexcept;
  TensorWriter& operator=(TensorWriter&&) noexcept;
  /// Leaves nothing behind unless the file was finished.
  ~TensorWriter();

  /// Adds a float32 dataset of zeros.
  /// @throws ringworld::Error (bad_input) when the disk has no room for it.
  /// @param meaning  becomes the attribute `meaning`; none when empty
  void add(const std::string& dataset, std::span<const std::int64_t> shape, const std::string& meaning = {});

  /// Writes a part of a dataset from dense, row-major values of the shape `slab.count`.
  void write(const std::string& dataset, const Hyperslab& slab, std::span<const float> values);

  /// Closes the file and gives it its name, in place of a file that had it. Once only.
  void finish();

 private:
  struct State;
  explicit TensorWriter(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace ringworld
