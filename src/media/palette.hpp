#pragma once
/// @file  The 256 colours that stand for those of a picture.
/// Source: Heckbert, "Color image quantization for frame buffer display", SIGGRAPH 1982 (median cut). Deviations: boxes
/// of a histogram of 5 bits a channel are cut; a picture of at most 256 colours keeps them all.

#include <array>
#include <cstdint>
#include <vector>

#include "media/image.hpp"

namespace ringworld {

struct PalettePicture {
  std::vector<std::array<std::uint8_t, 3>> colours;  ///< at most 256
  std::vector<std::uint8_t> indices;                 ///< (height, width), into colours
};

[[nodiscard]] PalettePicture with_palette(const Image& image);

}  // namespace ringworld
