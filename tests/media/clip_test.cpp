/// @file  Files and folders as clips: told apart by content, in natural order, refused in one line.

#include <algorithm>
#include <array>
#include <set>

#include "io/temporary_directory.hpp"
#include "media/clip_reader.hpp"
#include "media/gif.hpp"
#include "media/golden_files.hpp"
#include "media/media_frames.hpp"
#include "media/natural_order.hpp"
#include "media/pixels.hpp"
#include "media/png.hpp"
#include "media/resize.hpp"
#include "support/expect_error.hpp"

namespace ringworld {
namespace {

namespace fs = std::filesystem;
using test::bytes_of;
using test::expect_error;
using test::golden;
using test::golden_image;
using test::TemporaryDirectory;
using test::write_bytes;
using test::write_text;

Image plain(std::uint8_t grey, std::int64_t side = 8) {
  Image image = make_image(side, side, "a frame");
  std::ranges::fill(image.pixels, grey);
  return image;
}

TEST(NaturalOrder, NumbersCountAsNumbers) {
  std::vector<std::string> names{"frame10.png", "frame2.png",  "frame1.png", "a",
                                 "frame02.png", "frame2b.png", "",           "frame"};
  std::ranges::sort(names, comes_before_naturally);
  EXPECT_EQ(names, (std::vector<std::string>{"", "a", "frame", "frame1.png", "frame02.png", "frame2.png", "frame2b.png",
                                             "frame10.png"}));
  EXPECT_FALSE(comes_before_naturally("7", "7"));
  EXPECT_TRUE(comes_before_naturally("99999999999999999999998", "99999999999999999999999"));
}

TEST(FrameStream, ContentCountsAndNotTheName) {
  const TemporaryDirectory folder;
  fs::copy_file(golden("rgb8.png"), folder / "picture.jpg");
  fs::copy_file(golden("jpeg_444.jpg"), folder / "picture");
  test::expect_equal(read_image(folder / "picture.jpg"), golden_image("rgb8"), "a PNG");
  test::expect_equal(read_image(folder / "picture"), golden_image("jpeg_444"), "a JPEG");
  fs::copy_file(golden("gif_keep.gif"), folder / "movie.png");
  const auto stream = open_frame_stream(folder / "movie.png", 1);
  std::int64_t frames = 0;
  while (stream->advance().has_value()) {
    ++frames;
  }
  EXPECT_EQ(frames, 5);
}

TEST(ClipReader, AFolderIsAClipInNaturalOrder) {
  const TemporaryDirectory folder;
  for (const int number : {1, 2, 9, 10, 11, 100}) {
    write_bytes(folder / ("frame" + std::to_string(number) + ".png"),
                encode_png(plain(static_cast<std::uint8_t>(number))));
  }
  write_text(folder / "notes.txt", "not a frame");
  write_text(folder / ".hidden.png", "not a frame either");
  ClipReader all(folder.path(), {.side = 8, .choice = {}, .folder_rate = 2});
  EXPECT_EQ(all.source_frames(), 6);
  EXPECT_EQ(all.times(), (std::vector<double>{0, 0.5, 1, 1.5, 2, 2.5}));
  for (const int number : {1, 2, 9, 10, 11, 100}) {
    EXPECT_EQ(all.next().value().pixels[0], number);
  }
  EXPECT_FALSE(all.next().has_value());

  ClipReader some(folder.path(), {.side = 4, .choice = {.frames = 3}});
  EXPECT_EQ(some.chosen(), (std::vector<std::int64_t>{0, 2, 5}));
  EXPECT_EQ(some.times(), (std::vector<double>{0, 2, 5}));
  for (const int number : {1, 9, 100}) {
    const Image frame = some.next().value();
    EXPECT_EQ(frame.width, 4);
    EXPECT_EQ(frame.pixels[0], number);
  }
}

TEST(ClipReader, FramesOfAnAnimationAreChosenByTime) {
  // Shown at 0, 0.1, 0.3, 0.35 and 0.45 s.
  ClipReader reader(golden("gif_keep.gif"), {.side = 18, .choice = {.frames_per_second = 5}});
  EXPECT_EQ(reader.chosen(), (std::vector<std::int64_t>{0, 1, 3}));
  EXPECT_EQ(reader.times(), (std::vector<double>{0, 0.1, 0.35}));
  for (const char* name : {"gif_keep_0", "gif_keep_1", "gif_keep_3"}) {
    test::expect_equal(reader.next().value(), square_frame(golden_image(name), 18, name), name);
  }
}

TEST(ClipReader, WhatCannotBeReadIsNamedInOneLine) {
  const TemporaryDirectory folder;
  const auto expect = [&](const std::string& name, std::initializer_list<std::string_view> parts) {
    SCOPED_TRACE(name);
    const auto read_one = [&] { static_cast<void>(ClipReader(folder / name, {.side = 8, .choice = {}}).next()); };
    expect_error(ErrorKind::bad_input, read_one, {name});
    expect_error(ErrorKind::bad_input, read_one, parts);
  };
  expect("absent.png", {"no such file"});
  write_text(folder / "nothing.png", "");
  expect("nothing.png", {"is empty"});
  write_text(folder / "text.txt", "these are words, not pixels");
  expect("text.txt", {"PNG"});
  write_text(folder / "web.png", std::string("RIFF\x10\0\0\0WEBPVP8 ", 16));
  expect("web.png", {"WebP", "convert it to PNG"});
  fs::create_directory(folder / "empty");
  expect("empty", {"folder", "no picture"});
  fs::create_directory(folder / "texts");
  write_text(folder / "texts/a.txt", "words");
  expect("texts", {"no picture"});
  fs::create_directory(folder / "broken");
  write_bytes(folder / "broken/1.png", encode_png(plain(1)));
  write_text(folder / "broken/2.png", "it only has the name of one");
  expect_error(ErrorKind::bad_input,
               [&] {
                 ClipReader reader(folder / "broken", {.side = 8, .choice = {}});
                 while (reader.next().has_value()) {
                 }
               },
               {"broken/2.png", "no picture"});
}

TEST(MediaFrames, EveryFrameIsDrawnAndAnIndexAlwaysGivesTheSame) {
  const TemporaryDirectory folder;
  fs::create_directory(folder / "inner");
  write_bytes(folder / "a.png", encode_png(plain(10)));
  write_bytes(folder / "inner/b.png", encode_png(plain(20)));
  const auto encoder = make_gif_encoder(8, 8, 5);
  for (const std::uint8_t grey : {30, 40, 50}) {
    encoder->add(plain(grey));
  }
  write_bytes(folder / "c.gif", encoder->finish());
  const auto frames = make_media_frames({folder.path()}, 4);
  EXPECT_EQ(frames->frame_side(), 4);
  std::set<int> seen;
  std::array<float, 48> frame{};
  std::array<float, 48> again{};
  for (std::uint64_t index = 0; index < 100; ++index) {
    frames->draw(index, frame);
    make_media_frames({folder.path()}, 4)->draw(index, again);
    ASSERT_EQ(frame, again) << index;
    seen.insert(static_cast<int>((frame[0] + 1.0F) * 127.5F + 0.5F));
  }
  EXPECT_EQ(seen, (std::set<int>{10, 20, 30, 40, 50}));
}

TEST(MediaFrames, TheDigestIsThatOfTheContent) {
  const TemporaryDirectory folder;
  write_bytes(folder / "a.png", encode_png(plain(10)));
  const std::string before = make_media_frames({folder.path()}, 4)->digest();
  EXPECT_EQ(make_media_frames({folder / "a.png"}, 4)->digest(), before);
  EXPECT_NE(make_media_frames({folder.path()}, 8)->digest(), before);
  write_bytes(folder / "a.png", encode_png(plain(11)));
  EXPECT_NE(make_media_frames({folder.path()}, 4)->digest(), before);
}

TEST(MediaFrames, WrongPathsAreRefused) {
  const TemporaryDirectory folder;
  expect_error(ErrorKind::bad_input, [&] { static_cast<void>(make_media_frames({folder.path()}, 4)); },
               {folder.path().string(), "no picture or video"});
  expect_error(ErrorKind::bad_input, [&] { static_cast<void>(make_media_frames({folder / "absent"}, 4)); }, {"absent"});
  expect_error(ErrorKind::bad_input, [&] { static_cast<void>(make_media_frames({}, 4)); });
}

}  // namespace
}  // namespace ringworld
