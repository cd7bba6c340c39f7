#pragma once
/// @file  Tensors that many ranks hold together, in one HDF5 file: each rank writes and reads its own part.
///
/// A range (io/tensor_range.hpp) is at most three boxes of the dataset, so a rank reads it in one collective call,
/// whatever the ranks and slices were that wrote it. Dataset names are as in Hugging Face's files; h5py reads them as
/// they are.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "io/attribute.hpp"
#include "io/tensor_file.hpp"
#include "io/tensor_range.hpp"

namespace ringworld {

/// A new file, which gets its final name only when it is complete. Every call is collective over the communicator. The
/// root makes the file's structure and holds the path's lock meanwhile; each rank writes its own elements where the
/// root says that they belong, by system calls of its own. MPI's collective writes do not serve: when a rank's write
/// fails, Open MPI 4.1 loses the error, or the other ranks wait for ever.
///
///   root      structure: dataset, its place ----+------------------------------> close, rename
///   rank 0                                      +--> pwrite its boxes --> fsync --^
///   rank 1                                      +--> pwrite its boxes --> fsync --^
/// When one rank cannot write, all ranks throw the same error (bad_input, collective).
class CheckpointWriter {
 public:
  /// Removes temporary files that killed writers of the same path left.
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

  /// Flushes the file to disk and renames it to its final name, replacing an existing file. To be called once.
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

  /// @throws ringworld::Error when the dataset is missing, or not of floating point.
  [[nodiscard]] TensorInfo describe(const std::string& name) const;

  /// @throws as describe, and when the dataset is of another shape.
  void require_tensor(const std::string& name, std::span<const std::int64_t> shape) const;

  /// Reads this rank's range of a dataset of floating-point numbers of any size. Numbers beyond float32 become
  /// infinite.
  /// @throws as require_tensor
  void read(const std::string& name, const TensorRange& range, std::span<float> values) const;

  /// The attributes of the file, in alphabetical order.
  [[nodiscard]] std::vector<std::string> attribute_names() const;

  /// An attribute of the file; nothing when there is none of this name, or it is empty.
  /// @throws ringworld::Error when it holds something else than numbers, truth values or text.
  [[nodiscard]] std::optional<AttributeValue> attribute(const std::string& name) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ringworld
