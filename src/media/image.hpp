#pragma once
/// @file  A picture in memory, and how large one may be.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ringworld {

/// The bytes of a file that is read or written whole.
using FileBytes = std::vector<std::byte>;

/// Red, green and blue, 8 bits each.
struct Image {
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::vector<std::uint8_t> pixels;  ///< (height, width, 3)

  bool operator==(const Image&) const = default;
};

/// Most pixels of a picture: 268 MB. A file of a few kilobytes can claim any size, so that sizes are checked before
/// memory is taken. Pillow warns from the same number on.
inline constexpr std::int64_t max_image_pixels = 89'478'485;

/// A black picture.
/// @param name  of the file, for errors: a quoted path
/// @throws ringworld::Error (bad_input) that names the file when a side is not positive, or there are too many pixels.
[[nodiscard]] Image make_image(std::int64_t width, std::int64_t height, const std::string& name);

/// The check of make_image alone.
void require_image_size(std::int64_t width, std::int64_t height, const std::string& name);

/// `bytes` as the C libraries of picture formats take them.
[[nodiscard]] inline const std::uint8_t* octets(std::span<const std::byte> bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

}  // namespace ringworld
