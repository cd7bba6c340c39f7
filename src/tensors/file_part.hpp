#pragma once
/// @file  Bytes from the middle of a file.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "io/descriptor.hpp"

namespace ringworld {

/// @throws ringworld::Error (bad_input) "cannot read '<path>': <why>"
[[nodiscard]] Descriptor open_weights_file(const std::filesystem::path& path);

/// Fills `bytes` from byte `place` of the file on.
/// @param label  what is read, for messages
/// @throws ringworld::Error (bad_input) when the file is shorter, or cannot be read.
void read_part(const Descriptor& file, std::int64_t place, std::span<std::byte> bytes, const std::string& label);

}  // namespace ringworld
