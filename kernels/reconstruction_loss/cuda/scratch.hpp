#pragma once
/// @file  What the reconstruction loss holds of a GPU's memory while it works, and how it cuts a frame.

#include <cstdint>

namespace ringworld {

/// Elements of a chunk, whose sums one block takes: by the shape alone, so that every GPU adds up in the same order.
inline constexpr std::int64_t cuda_reconstruction_chunk = 8192;

/// Chunks of all frames, each with a pair of doubles.
[[nodiscard]] constexpr std::int64_t cuda_reconstruction_chunks(std::int64_t frames, std::int64_t elements) {
  return frames * ((elements + cuda_reconstruction_chunk - 1) / cuda_reconstruction_chunk);
}

}  // namespace ringworld
