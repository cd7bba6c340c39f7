#pragma once
/// @file  Contents as a column of a record: 16 hexadecimal digits that tell them apart.

#include <filesystem>
#include <span>
#include <string>

namespace ringworld {

/// Digest of a list of texts; the boundaries between texts count.
[[nodiscard]] std::string content_digest(std::span<const std::string> texts);

/// The bytes of a file. @throws Error(bad_input) naming a file that cannot be read.
[[nodiscard]] std::string read_file(const std::filesystem::path& path);

}  // namespace ringworld
