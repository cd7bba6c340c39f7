/// @file  PNG and JPEG files against Pillow, and what is wrong with damaged ones.

#include <fmt/format.h>

#include "media/frame_stream.hpp"
#include "media/golden_files.hpp"
#include "media/jpeg.hpp"
#include "media/png.hpp"
#include "support/expect_error.hpp"

namespace ringworld {
namespace {

using test::bytes_of;
using test::expect_equal;
using test::expect_error;
using test::golden;
using test::golden_image;

class EveryPng : public testing::TestWithParam<const char*> {};

TEST_P(EveryPng, IsReadAsPillowDoes) {
  const std::string name = GetParam();
  expect_equal(read_png(bytes_of(golden(name + ".png")), name), golden_image(name), name);
}

INSTANTIATE_TEST_SUITE_P(Png, EveryPng,
                         testing::Values("grey1", "grey2", "grey4", "grey8", "grey8_interlaced", "grey16",
                                         "grey_alpha8", "rgb8", "rgb8_interlaced", "rgb16", "rgb16_interlaced",
                                         "rgb8_key", "rgb_alpha8", "rgb_alpha16", "palette1", "palette2",
                                         "palette4_interlaced", "palette8", "palette8_alpha"),
                         [](const auto& kind) { return std::string(kind.param); });

class EveryJpeg : public testing::TestWithParam<const char*> {};

TEST_P(EveryJpeg, IsReadAsPillowDoes) {
  const std::string name = GetParam();
  expect_equal(read_jpeg(bytes_of(golden(name + ".jpg")), name), golden_image(name), name);
}

INSTANTIATE_TEST_SUITE_P(Jpeg, EveryJpeg,
                         testing::Values("jpeg_444", "jpeg_420", "jpeg_progressive", "jpeg_grey", "jpeg_cmyk"),
                         [](const auto& kind) { return std::string(kind.param); });

TEST(Png, WhatIsWrittenIsReadAgain) {
  const Image image = golden_image("resize_input");
  expect_equal(read_png(encode_png(image), "a copy"), image, "a copy");
}

/// A file that was cut anywhere is refused, by one line that names it.
template <class Read>
void expect_every_cut_to_be_refused(const std::string& file, std::size_t end, Read&& read, const char* kind) {
  const FileBytes bytes = bytes_of(golden(file));
  for (std::size_t size = 0; size < end; ++size) {
    SCOPED_TRACE(size);
    expect_error(ErrorKind::bad_input, [&] { static_cast<void>(read(std::span(bytes).first(size), "'the file'")); },
                 {"'the file' is a damaged ", kind});
  }
}

TEST(Png, CutAnywhereIsRefused) {
  constexpr std::size_t end_chunk = 12;
  constexpr std::size_t checksum = 8;  // of the pixels and of their chunk: behind the last pixel
  for (const char* file : {"rgb8_interlaced.png", "palette8.png", "grey16.png"}) {
    const std::size_t size = bytes_of(golden(file)).size();
    expect_every_cut_to_be_refused(file, size - end_chunk - checksum, read_png, "PNG");
  }
}

TEST(Jpeg, CutAnywhereIsRefused) {
  constexpr std::size_t end_marker = 2;
  for (const char* file : {"jpeg_420.jpg", "jpeg_progressive.jpg", "jpeg_cmyk.jpg"}) {
    const std::size_t size = bytes_of(golden(file)).size();
    expect_every_cut_to_be_refused(file, size - end_marker, read_jpeg, "JPEG");
  }
}

/// A damaged picture is read, or refused by an error of one kind; nothing else happens.
template <class Read>
void expect_no_harm(const std::string& file, Read&& read) {
  const FileBytes bytes = bytes_of(golden(file));
  std::int64_t refused = 0;
  for (std::size_t place = 8; place < bytes.size(); ++place) {
    for (const auto mask : {std::byte{0x01}, std::byte{0xff}}) {
      FileBytes damaged = bytes;
      damaged[place] ^= mask;
      try {
        static_cast<void>(read(damaged, "'the file'"));
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::bad_input) << error.what();
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 0);
}

TEST(Png, ChangedBytesDoNoHarm) { expect_no_harm("rgb8_interlaced.png", read_png); }
TEST(Jpeg, ChangedBytesDoNoHarm) { expect_no_harm("jpeg_420.jpg", read_jpeg); }

/// A PNG whose header says that it has another size; its checksum is right.
FileBytes png_that_claims(std::uint32_t width, std::uint32_t height) {
  FileBytes bytes = bytes_of(golden("rgb8.png"));
  constexpr std::size_t header = 12;  // type and content of the first chunk
  constexpr std::size_t header_size = 17;
  const auto put = [&](std::size_t at, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i) {
      bytes[at + i] = static_cast<std::byte>(value >> (24 - 8 * i));
    }
  };
  put(16, width);
  put(20, height);
  std::uint32_t checksum = 0xffffffff;
  for (std::size_t i = 0; i < header_size; ++i) {
    checksum ^= static_cast<std::uint32_t>(bytes[header + i]);
    for (int bit = 0; bit < 8; ++bit) {
      checksum = (checksum >> 1) ^ ((checksum & 1) != 0 ? 0xedb88320 : 0);
    }
  }
  put(header + header_size, ~checksum);
  return bytes;
}

TEST(Png, SizesThatNoPictureHasAreRefusedBeforeMemoryIsTaken) {
  expect_error(ErrorKind::bad_input,
               [] { static_cast<void>(read_png(png_that_claims(200'000, 300'000), "'bomb.png'")); },
               {"'bomb.png'", "200000 x 300000", "make it smaller"});
  expect_error(ErrorKind::bad_input, [] { static_cast<void>(read_png(png_that_claims(0, 11), "'flat.png'")); },
               {"'flat.png'", "damaged PNG"});
  EXPECT_EQ(read_png(png_that_claims(13, 11), "'as it was'").width, 13) << "the checksum of this test is right";
}

TEST(Jpeg, SizesThatAreTooLargeAreRefusedBeforeMemoryIsTaken) {
  FileBytes bytes = bytes_of(golden("jpeg_444.jpg"));
  for (std::size_t at = 0; at + 9 < bytes.size(); ++at) {
    if (bytes[at] == std::byte{0xff} && bytes[at + 1] == std::byte{0xc0}) {  // the frame's header
      std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at) + 5, 4, std::byte{0xfd});
      break;
    }
  }
  expect_error(ErrorKind::bad_input, [&] { static_cast<void>(read_jpeg(bytes, "'bomb.jpg'")); },
               {"'bomb.jpg'", "65021 x 65021", "make it smaller"});
}

}  // namespace
}  // namespace ringworld
