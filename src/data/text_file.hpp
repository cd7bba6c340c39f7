#pragma once
/// @file  Whole files as text.

#include <filesystem>
#include <string>

namespace ringworld {

/// The bytes of a file.
/// @throws ringworld::Error (bad_input) that names the file when it is missing, a directory or not readable.
[[nodiscard]] std::string read_text_file(const std::filesystem::path& path);

}  // namespace ringworld
