/// @file  GIF files against Pillow; what is written is read again; damaged ones.

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "media/gif.hpp"
#include "media/golden_files.hpp"
#include "media/palette.hpp"
#include "media/pixels.hpp"
#include "support/expect_error.hpp"

namespace ringworld {
namespace {

using test::bytes_of;
using test::expect_equal;
using test::golden;
using test::golden_image;

struct Frames {
  std::vector<Image> images;
  std::vector<double> times;
};

Frames frames_of(FileBytes bytes) {
  Frames frames;
  const auto stream = open_gif(std::move(bytes), "'the file'");
  while (const auto time = stream->advance()) {
    frames.times.push_back(*time);
    frames.images.push_back(stream->frame());
  }
  return frames;
}

TEST(Gif, FramesAreDrawnAsPillowDrawsThem) {
  for (const auto& [name, count] : {std::pair{"gif_keep", 5U},
                                    {"gif_background", 5U},
                                    {"gif_previous", 5U},
                                    {"gif_interlaced", 1U},
                                    {"gif_transparent", 4U}}) {
    const Frames frames = frames_of(bytes_of(golden(fmt::format("{}.gif", name))));
    ASSERT_GE(frames.images.size(), count) << name;
    for (std::size_t frame = 0; frame < count; ++frame) {
      const std::string expected = fmt::format("{}_{}", name, frame);
      expect_equal(frames.images[frame], golden_image(expected), expected);
    }
  }
}

TEST(Gif, TimesAreTheSumsOfDelays) {
  // Delays 100, 200, 50, 0 and 70 ms: none counts as 100 ms.
  EXPECT_EQ(frames_of(bytes_of(golden("gif_keep.gif"))).times, (std::vector<double>{0, 0.1, 0.3, 0.35, 0.45}));
}

TEST(Gif, CutAnywhereIsRefusedOrEndsBehindAFrame) {
  const FileBytes bytes = bytes_of(golden("gif_transparent.gif"));
  const std::size_t whole = frames_of(bytes).images.size();
  std::set<std::size_t> counts;
  std::int64_t refused = 0;
  for (std::size_t size = 6; size < bytes.size(); ++size) {
    try {
      counts.insert(frames_of({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)}).images.size());
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_input);
      EXPECT_NE(std::string_view(error.what()).find("'the file' is a damaged GIF"), std::string_view::npos)
          << error.what();
      ++refused;
    }
  }
  EXPECT_EQ(counts.size(), whole) << "cuts between two frames, and before the last byte";
  EXPECT_GT(refused, 100);
}

TEST(Gif, ChangedBytesDoNoHarm) {
  const FileBytes bytes = bytes_of(golden("gif_transparent.gif"));
  std::int64_t refused = 0;
  for (std::size_t place = 6; place < bytes.size(); ++place) {
    for (const auto mask : {std::byte{0x01}, std::byte{0xff}}) {
      FileBytes damaged = bytes;
      damaged[place] ^= mask;
      try {
        static_cast<void>(frames_of(damaged));
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::bad_input) << error.what();
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 0);
}

TEST(Gif, FewColoursAreKeptExactly) {
  std::vector<Image> images;
  for (int number = 0; number < 3; ++number) {
    Image image = make_image(17, 9, "a frame");
    for (std::size_t i = 0; i < image.pixels.size(); ++i) {
      image.pixels[i] =
          static_cast<std::uint8_t>((i / 3 * 37 + static_cast<std::size_t>(number) * 11 + i % 3 * 90) % 251);
    }
    images.push_back(image);
  }
  const auto encoder = make_gif_encoder(17, 9, 12.0);
  for (const Image& image : images) {
    encoder->add(image);
  }
  const Frames frames = frames_of(encoder->finish());
  ASSERT_EQ(frames.images.size(), images.size());
  for (std::size_t i = 0; i < images.size(); ++i) {
    expect_equal(frames.images[i], images[i], fmt::format("frame {}", i));
  }
  EXPECT_EQ(frames.times, (std::vector<double>{0, 0.08, 0.17})) << "multiples of 1/12 s, each rounded to 1/100";
}

TEST(Gif, ManyColoursComeNear) {
  const Image image = golden_image("resize_input");  // 57 x 43, nearly all pixels differ
  const auto encoder = make_gif_encoder(image.width, image.height, 5.0);
  encoder->add(image);
  const Image read = frames_of(encoder->finish()).images.at(0);
  std::vector<float> before(image.pixels.size());
  std::vector<float> after(image.pixels.size());
  normalise(image.pixels, before);
  normalise(read.pixels, after);
  EXPECT_GT(psnr(after, before), 27.0);
}

TEST(Palette, HasAtMost256Colours) {
  const PalettePicture picture = with_palette(golden_image("resize_input"));
  EXPECT_EQ(picture.colours.size(), 256U);
  EXPECT_EQ(picture.indices.size(), 57U * 43U);
}

TEST(Gif, RatesThatItCannotHaveAreRefused) {
  test::expect_error(ErrorKind::bad_input, [] { static_cast<void>(make_gif_encoder(8, 8, 60.0)); }, {"60", "50"});
  test::expect_error(ErrorKind::bad_input, [] { static_cast<void>(make_gif_encoder(8, 8, 0.0)); }, {"655"});
  test::expect_error(ErrorKind::bad_input, [] { static_cast<void>(make_gif_encoder(70'000, 8, 5.0)); }, {"70000"});
}

}  // namespace
}  // namespace ringworld
