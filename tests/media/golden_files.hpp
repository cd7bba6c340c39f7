#pragma once
/// @file  The files of tests/media/golden (make_golden.py).

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "core/text_file.hpp"
#include "media/image.hpp"

namespace ringworld::test {

[[nodiscard]] std::filesystem::path golden(const std::string& name);

inline FileBytes bytes_of(const std::filesystem::path& path) {
  const std::string text = read_binary_file(path);
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

inline void write_bytes(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
}

/// What Pillow makes: a PPM file of 8 bits.
inline Image golden_image(const std::string& name) {
  const std::string text = read_binary_file(golden(name + ".ppm"));
  std::istringstream header(text.substr(0, 64));
  std::string magic;
  Image image;
  std::int64_t largest = 0;
  header >> magic >> image.width >> image.height >> largest;
  const auto size = static_cast<std::size_t>(3 * image.width * image.height);
  EXPECT_TRUE(magic == "P6" && largest == 255 && text.size() > size) << name;
  image.pixels.resize(size);
  std::memcpy(image.pixels.data(), text.data() + text.size() - size, size);
  return image;
}

inline void expect_equal(const Image& image, const Image& expected, const std::string& what) {
  ASSERT_EQ(image.width, expected.width) << what;
  ASSERT_EQ(image.height, expected.height) << what;
  for (std::size_t i = 0; i < expected.pixels.size(); ++i) {
    ASSERT_EQ(image.pixels[i], expected.pixels[i])
        << what << ": pixel " << i / 3 % static_cast<std::size_t>(image.width) << ", "
        << i / 3 / static_cast<std::size_t>(image.width) << ", channel " << i % 3;
  }
}

}  // namespace ringworld::test
