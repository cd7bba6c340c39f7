#pragma once
/// @file  How long one message may be.

#include <cstdint>

namespace ringworld {

/// MPI 3.1 counts in `int`: longer blocks travel as several messages of at most this many bytes.
inline constexpr std::int64_t default_message_limit = std::int64_t{1} << 30;

/// Device memory that is staged travels in pieces of this many bytes: long enough for the full bandwidth of a copy, short
/// enough that the first of them is soon on its way.
inline constexpr std::int64_t default_chunk_bytes = std::int64_t{4} << 20;

}  // namespace ringworld
