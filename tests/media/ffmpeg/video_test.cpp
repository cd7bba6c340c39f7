/// @file  Video files: what is written is read again, and damaged ones are refused.

#include "media/video.hpp"

#include <fmt/format.h>

#include <cmath>

#include "io/temporary_directory.hpp"
#include "media/clip_reader.hpp"
#include "media/golden_files.hpp"
#include "media/pixels.hpp"
#include "support/expect_error.hpp"

namespace ringworld {
namespace {

using test::TemporaryDirectory;
using test::write_bytes;

/// A disc that wanders over a smooth ground.
Image frame_at(std::int64_t number, std::int64_t width, std::int64_t height) {
  Image image = make_image(width, height, "a frame");
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      const std::int64_t distance = (x - 8 - 3 * number) * (x - 8 - 3 * number) + (y - 16) * (y - 16);
      std::uint8_t* pixel = image.pixels.data() + 3 * (width * y + x);
      pixel[0] = distance < 50 ? 220 : static_cast<std::uint8_t>(x * 2);
      pixel[1] = distance < 50 ? 40 : static_cast<std::uint8_t>(y * 3);
      pixel[2] = distance < 50 ? 30 : 120;
    }
  }
  return image;
}

FileBytes video_of(std::int64_t frames, std::int64_t width, std::int64_t height, double rate) {
  const auto encoder = make_mp4_encoder(width, height, rate);
  for (std::int64_t number = 0; number < frames; ++number) {
    encoder->add(frame_at(number, width, height));
  }
  return encoder->finish();
}

double psnr_of(const Image& image, const Image& reference) {
  std::vector<float> values(image.pixels.size());
  std::vector<float> wanted(image.pixels.size());
  normalise(image.pixels, values);
  normalise(reference.pixels, wanted);
  return psnr(values, wanted);
}

TEST(Video, WhatIsWrittenIsReadAgain) {
  const TemporaryDirectory folder;
  write_bytes(folder / "clip.mp4", video_of(12, 48, 32, 4.0));
  const auto stream = open_video(folder / "clip.mp4");
  for (std::int64_t number = 0; number < 12; ++number) {
    const auto time = stream->advance();
    ASSERT_TRUE(time.has_value()) << number;
    EXPECT_NEAR(*time, static_cast<double>(number) / 4.0, 1e-6);
    const Image frame = stream->frame();
    ASSERT_EQ(frame.width, 48);
    ASSERT_EQ(frame.height, 32);
    EXPECT_GT(psnr_of(frame, frame_at(number, 48, 32)), 24.0) << number;
    EXPECT_GT(psnr_of(frame, frame_at(number, 48, 32)), psnr_of(frame, frame_at(number + 1, 48, 32)) + 3.0) << number;
  }
  EXPECT_FALSE(stream->advance().has_value());
}

TEST(Video, ColoursAreKept) {
  const TemporaryDirectory folder;
  Image image = make_image(32, 32, "a frame");
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
    image.pixels[i] = 200;
    image.pixels[i + 1] = 60;
    image.pixels[i + 2] = 20;
  }
  const auto encoder = make_mp4_encoder(32, 32, 1.0);
  encoder->add(image);
  write_bytes(folder / "plain.mp4", encoder->finish());
  const auto stream = open_video(folder / "plain.mp4");
  ASSERT_TRUE(stream->advance().has_value());
  const Image read = stream->frame();
  for (std::size_t channel = 0; channel < 3; ++channel) {
    EXPECT_NEAR(read.pixels[3 * (16 * 32 + 16) + channel], image.pixels[channel], 3) << channel;
  }
}

TEST(Video, FramesAreChosenFromBeginningToEnd) {
  const TemporaryDirectory folder;
  write_bytes(folder / "clip.mp4", video_of(30, 48, 32, 10.0));
  ClipReader by_number(folder / "clip.mp4", {.side = 32, .choice = {.frames = 4}});
  EXPECT_EQ(by_number.source_frames(), 30);
  EXPECT_EQ(by_number.chosen(), (std::vector<std::int64_t>{0, 9, 19, 29}));
  std::int64_t frames = 0;
  while (by_number.next().has_value()) {
    ++frames;
  }
  EXPECT_EQ(frames, 4);
  const ClipReader by_rate(folder / "clip.mp4", {.side = 32, .choice = {.frames_per_second = 2}});
  EXPECT_EQ(by_rate.chosen(), (std::vector<std::int64_t>{0, 5, 10, 15, 20, 25}));
}

TEST(Video, OddSidesGetEven) {
  const TemporaryDirectory folder;
  write_bytes(folder / "odd.mp4", video_of(2, 33, 31, 5.0));
  const auto stream = open_video(folder / "odd.mp4");
  ASSERT_TRUE(stream->advance().has_value());
  EXPECT_EQ(stream->frame().width, 34);
  EXPECT_EQ(stream->frame().height, 32);
}

TEST(Video, TheSameFramesMakeTheSameFile) { EXPECT_EQ(video_of(5, 48, 32, 4.0), video_of(5, 48, 32, 4.0)); }

void read_all(const std::filesystem::path& path) {
  const auto stream = open_video(path);
  while (stream->advance().has_value()) {
    static_cast<void>(stream->frame());
  }
}

TEST(Video, CutAnywhereIsRefused) {
  const TemporaryDirectory folder;
  const FileBytes bytes = video_of(6, 48, 32, 4.0);
  constexpr std::size_t remarks = 128;  // at the end, who wrote the file: nobody needs them
  for (std::size_t size = 1; size + remarks < bytes.size(); size += 97) {
    SCOPED_TRACE(fmt::format("{} of {} bytes", size, bytes.size()));
    write_bytes(folder / "cut.mp4", std::span(bytes).first(size));
    test::expect_error(ErrorKind::bad_input, [&] { read_all(folder / "cut.mp4"); }, {"cut.mp4'"});
  }
}

TEST(Video, ChangedBytesDoNoHarm) {
  const TemporaryDirectory folder;
  const FileBytes bytes = video_of(6, 48, 32, 4.0);
  std::int64_t refused = 0;
  for (std::size_t place = 5; place < bytes.size(); place += 23) {
    FileBytes damaged = bytes;
    damaged[place] ^= std::byte{0xff};
    write_bytes(folder / "damaged.mp4", damaged);
    try {
      read_all(folder / "damaged.mp4");
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_input) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, 0);
}

TEST(Video, WhatIsNoVideoIsRefused) {
  const TemporaryDirectory folder;
  test::write_text(folder / "list.m3u8", "#EXTM3U\n#EXTINF:1,\nother.mp4\n");
  test::expect_error(ErrorKind::bad_input, [&] { read_all(folder / "list.m3u8"); },
                     {"list.m3u8'", "no PNG, JPEG, GIF or video"});
}

/// A file that says how large its frames are, and then has none.
TEST(Video, AFileWithoutAFrameIsRefused) {
  const TemporaryDirectory folder;
  test::write_text(folder / "empty.y4m", "YUV4MPEG2 W48 H32 F4:1 Ip A1:1 C420jpeg\n");
  test::expect_error(ErrorKind::bad_input, [&] { read_all(folder / "empty.y4m"); }, {"empty.y4m'", "without a frame"});
}

TEST(Video, RatesThatItCannotHaveAreRefused) {
  test::expect_error(ErrorKind::bad_input, [] { static_cast<void>(make_mp4_encoder(32, 32, 0.0)); },
                     {"0", "at most 1000"});
}

}  // namespace
}  // namespace ringworld
