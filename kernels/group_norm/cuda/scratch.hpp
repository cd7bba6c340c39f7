#pragma once
/// @file  What group normalisation holds of a GPU's memory while it works, and how it cuts a frame.

#include <cstdint>

namespace ringworld {

/// Pixels of a panel, whose sums one block takes: by the shape alone, so that every GPU adds up in the same order.
inline constexpr std::int64_t cuda_group_norm_panel = 256;

[[nodiscard]] constexpr std::int64_t cuda_group_norm_panels(std::int64_t pixels) {
  return (pixels + cuda_group_norm_panel - 1) / cuda_group_norm_panel;
}

/// Pairs of doubles: of each channel of each panel, of each channel of a frame, of each group of a frame.
[[nodiscard]] constexpr std::int64_t cuda_group_norm_pairs(std::int64_t frames, std::int64_t pixels,
                                                           std::int64_t channels, std::int64_t groups) {
  return frames * (cuda_group_norm_panels(pixels) * channels + channels + groups);
}

}  // namespace ringworld
