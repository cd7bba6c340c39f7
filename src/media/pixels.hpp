#pragma once
/// @file  Pixels as numbers in [-1, 1], which networks see, and back.
/// Source: LargeWorldModel/LWM, lwm/vision_chat.py and lwm/vision_generation.py.

#include <cstdint>
#include <span>

#include "media/image.hpp"

namespace ringworld {

/// x / 127.5 - 1, in float.
/// @param values  as many as there are bytes
void normalise(std::span<const std::uint8_t> bytes, std::span<float> values);

/// (x + 1) * 127.5 of x clipped to [-1, 1], truncated and not rounded, as LWM does it: a byte that is normalised first
/// may come back smaller by one.
/// @param values  (height, width, 3)
[[nodiscard]] Image image_of(std::span<const float> values, std::int64_t width, std::int64_t height);

/// Peak signal-to-noise ratio in dB of values in [-1, 1]: 10 log10(4 / mean squared difference). Infinite when all are
/// equal.
[[nodiscard]] double psnr(std::span<const float> values, std::span<const float> reference);

}  // namespace ringworld
