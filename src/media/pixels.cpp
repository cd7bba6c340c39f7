#include "media/pixels.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace ringworld {

void normalise(std::span<const std::uint8_t> bytes, std::span<float> values) {
  require(bytes.size() == values.size(), "a byte becomes one number");
  std::ranges::transform(bytes, values.begin(),
                         [](std::uint8_t byte) { return static_cast<float>(byte) / 127.5F - 1.0F; });
}

Image image_of(std::span<const float> values, std::int64_t width, std::int64_t height) {
  require(std::ssize(values) == 3 * width * height, "a picture has three numbers a pixel");
  Image image{.width = width, .height = height, .pixels = std::vector<std::uint8_t>(values.size())};
  std::ranges::transform(values, image.pixels.begin(), [](float value) {
    const float inside = value > -1.0F ? std::min(value, 1.0F) : -1.0F;  // what is no number becomes black
    return static_cast<std::uint8_t>((inside + 1.0F) * 127.5F);
  });
  return image;
}

double psnr(std::span<const float> values, std::span<const float> reference) {
  require(values.size() == reference.size() && !values.empty(), "pictures of one size are compared");
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double difference = static_cast<double>(values[i]) - static_cast<double>(reference[i]);
    sum += difference * difference;
  }
  return 10.0 * std::log10(4.0 * static_cast<double>(values.size()) / sum);
}

}  // namespace ringworld
