#pragma once
/// @file  PNG files, by libpng.

#include <span>
#include <string>

#include "media/image.hpp"

namespace ringworld {

[[nodiscard]] bool is_png(std::span<const std::byte> bytes);

/// Every kind of PNG as RGB: palettes are looked up, grey is repeated, alpha is dropped without blending, of 16 bits the
/// upper 8 are taken. So does Pillow's convert("RGB"), but for grey of 16 bits, which Pillow clips at 255, so that nearly
/// all of it gets white.
/// @param name  of the file, for errors: a quoted path
/// @throws ringworld::Error (bad_input) that names the file when it is damaged, ends too early or is too large.
[[nodiscard]] Image read_png(std::span<const std::byte> bytes, const std::string& name);

/// The file: 8-bit RGB, not interlaced.
[[nodiscard]] FileBytes encode_png(const Image& image);

}  // namespace ringworld
