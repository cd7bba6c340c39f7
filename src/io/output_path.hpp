#pragma once
/// @file  Names of outputs: where a path leads, whether it can be written, and the names of files that stand beside it.

#include <filesystem>
#include <string_view>

namespace ringworld {

/// Where a symbolic link leads in the end, though nothing may be there yet; other paths as they are.
[[nodiscard]] std::filesystem::path follow_links(const std::filesystem::path& path);

/// The file that an output really is: a symbolic link is followed, so that the link stays.
/// @throws ringworld::Error (bad_input) that names `path` when it is a directory or a device, or when its directory is
/// missing.
[[nodiscard]] std::filesystem::path writable_target(const std::filesystem::path& path);

/// `<folder>/<prefix><name><suffix>`. Where a file system would find that name too long, its middle is left out and a
/// digest of the name stands for it.
[[nodiscard]] std::filesystem::path beside(const std::filesystem::path& path, std::string_view prefix,
                                           std::string_view suffix);

/// The folder that holds a path, "." included.
[[nodiscard]] std::filesystem::path directory_of(const std::filesystem::path& path);

/// Throws Error (bad_input): "cannot write '<path>': <reason>".
[[noreturn]] void throw_cannot_write(const std::filesystem::path& path, std::string_view reason);
/// The same with the text of a system call's error number.
[[noreturn]] void throw_cannot_write(const std::filesystem::path& path, int error_number);

}  // namespace ringworld
