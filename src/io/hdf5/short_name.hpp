#pragma once
/// @file  A short name for a file with a long path. Private to src/io.
///
/// MPI libraries copy paths into arrays of a few hundred bytes (Open MPI 4.1 overflows one near 230); Linux takes 4096.

#include <filesystem>

#include "io/descriptor.hpp"

namespace ringworld::hdf5 {

/// Names a file that is to be read, for as long as this lives, in this process: its own path, or /proc/self/fd/N where that
/// is long.
class ShortName {
 public:
  /// @throws ringworld::Error (bad_input) naming the file when it is too long to be opened as it is and cannot be opened
  explicit ShortName(const std::filesystem::path& path);

  [[nodiscard]] const char* c_str() const noexcept { return name_.c_str(); }

 private:
  Descriptor descriptor_;
  std::filesystem::path name_;
};

}  // namespace ringworld::hdf5
