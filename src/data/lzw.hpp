#pragma once
/// @file  Reads what Unix `compress` writes, without its 3-byte header.
/// Source: T. Welch, "A Technique for High-Performance Data Compression", Computer 17(6), 1984. Block mode with codes
/// of 9 to 16 bits, lowest bit first; code 256 clears the table.

#include <span>
#include <string>

namespace ringworld {

/// The text of one compressed stream.
/// @throws ringworld::Error (bad_input) when a code refers to an entry that is not there yet.
[[nodiscard]] std::string decompress_lzw(std::span<const unsigned char> stream);

}  // namespace ringworld
