#pragma once
/// @file  Pictures made smaller or larger as Pillow does it, bit for bit, and cut to squares as LWM does it.
/// Source: Pillow, src/libImaging/Resample.c; LargeWorldModel/LWM, lwm/vision_chat.py (frames). Pillow 13 begins with the
/// columns where the height shrinks much more than the width; here rows come first always, as in Pillow 3.3 to 12, which
/// LWM used. Frames keep their proportion, so that for them the versions agree.

#include <cstdint>
#include <string>

#include "media/image.hpp"

namespace ringworld {

/// What a record says of the way from a file's pixels to a frame's.
inline constexpr std::string_view resize_filter_name = "pillow_bicubic";

/// The bicubic filter (a = -0.5), widened by the scale where the picture gets smaller, so that it does not alias: along
/// rows first, then along columns, each in fixed point of 22 bits and rounded to 8 bits.
/// @pre width and height are positive
[[nodiscard]] Image resize_bicubic(const Image& image, std::int64_t width, std::int64_t height);

/// The shorter side becomes `side`, the longer one keeps the proportion, truncated; then the square in the middle is
/// cut out. Where the middle falls between two pixels, the even one begins the cut: Python's rounding of halves.
/// @param name  of the file, for errors
/// @throws ringworld::Error (bad_input) that names the file when it is so narrow that the resized one is too large.
[[nodiscard]] Image square_frame(const Image& image, std::int64_t side, const std::string& name);

}  // namespace ringworld
