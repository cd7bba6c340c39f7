#pragma once
/// @file  The end of a file that could not be written. Private to src/io.
///
/// A close of HDF5's writes what it still holds. Where that fails, the file stays half open in the library, which tries
/// again at the end of the process and may crash there. So the descriptors of a file that nobody wants any more are
/// turned to memory first; the close then succeeds, and leaves nothing behind.

#include <filesystem>

#include "io/hdf5/handles.hpp"

namespace ringworld::hdf5 {

/// Closes a file whose content is lost. Collective where the file was opened by several ranks.
/// @param path  of the file on disk
void discard(File& file, const std::filesystem::path& path) noexcept;

/// Flushes and closes a file; one that cannot be written is discarded.
/// @throws ringworld::Error (bad_input) that says that `target` cannot be written, and why
void close_written(File& file, const std::filesystem::path& path, const std::filesystem::path& target);

}  // namespace ringworld::hdf5
