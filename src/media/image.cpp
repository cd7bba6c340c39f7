#include "media/image.hpp"

#include <fmt/format.h>

#include "core/error.hpp"

namespace ringworld {

void require_image_size(std::int64_t width, std::int64_t height, const std::string& name) {
  require_input(width > 0 && height > 0, fmt::format("{} is {} x {} pixels: it has no pixel", name, width, height));
  require_input(width <= max_image_pixels / height,
                fmt::format("{} is {} x {} pixels, more than the {} that are read: make it smaller first", name, width,
                            height, max_image_pixels));
}

Image make_image(std::int64_t width, std::int64_t height, const std::string& name) {
  require_image_size(width, height, name);
  return {.width = width,
          .height = height,
          .pixels = std::vector<std::uint8_t>(static_cast<std::size_t>(3 * width * height))};
}

}  // namespace ringworld
