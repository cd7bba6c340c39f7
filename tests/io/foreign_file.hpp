#pragma once
/// @file  An HDF5 file as another program would write it.

#include <filesystem>

namespace ringworld::test {

/// Writes 1-D datasets of three elements, named by their types: float64 (0.1, -2, 3), int32 (7, -8, 9), int64 and
/// uint32.
void write_foreign_file(const std::filesystem::path& path);

}  // namespace ringworld::test
