#pragma once
/// @file  JPEG files, by libjpeg.

#include <span>
#include <string>

#include "media/image.hpp"

namespace ringworld {

[[nodiscard]] bool is_jpeg(std::span<const std::byte> bytes);

/// As RGB, like Pillow's convert("RGB"): grey is repeated; CMYK is taken as inverted, which is how Adobe's programs write
/// it. The orientation that a camera notes in the file is not applied.
/// @param name  of the file, for errors: a quoted path
/// @throws ringworld::Error (bad_input) that names the file when it is damaged, ends too early or is too large.
[[nodiscard]] Image read_jpeg(std::span<const std::byte> bytes, const std::string& name);

}  // namespace ringworld
