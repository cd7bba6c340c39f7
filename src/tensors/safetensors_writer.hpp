#pragma once
/// @file  Writes a safetensors file piece by piece, so that no tensor need be in memory whole. The file appears whole or
/// not at all.

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/dtype.hpp"
#include "io/descriptor.hpp"
#include "io/pending_file.hpp"

namespace ringworld {

/// A tensor that a file is going to hold.
struct PlannedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
};

/// One process writes; all tensors have one type.
///
/// Errors are bad_input and name the file: a folder that cannot be written, a full disk.
class SafetensorsWriter {
 public:
  /// Writes the header and makes sure that the disk has room for the rest.
  SafetensorsWriter(const std::filesystem::path& target, const std::vector<PlannedTensor>& tensors, DType dtype);

  /// Writes elements of one tensor, rounded to the file's type.
  /// @param first  place of the first of them in the flat tensor
  void write(const std::string& name, std::int64_t first, std::span<const float> values);

  /// Brings the file to disk under its name. To be called once, after all elements were written.
  void publish() { file_.publish(); }

 private:
  void write_bytes(std::span<const std::byte> bytes, std::int64_t at) const;

  PendingFile file_;
  Descriptor descriptor_;
  DType dtype_;
  std::map<std::string, std::int64_t> begin_;  ///< byte of the file at which a tensor begins
};

}  // namespace ringworld
