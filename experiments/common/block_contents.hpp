#pragma once
/// @file  Contents of blocks that travel, which any rank can tell without having them.

#include <cstdint>
#include <span>

namespace ringworld {

/// Bytes from `offset` on of the endless block that `key` names, the same whoever asks.
/// @param offset  a multiple of 8
void fill_contents(std::span<std::uint8_t> bytes, std::uint64_t key, std::int64_t offset = 0);

}  // namespace ringworld
