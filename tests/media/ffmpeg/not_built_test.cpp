#include "io/temporary_directory.hpp"
#include "media/frame_stream.hpp"
#include "media/video.hpp"
#include "support/expect_error.hpp"

namespace ringworld {
namespace {

TEST(Video, ABuildWithoutItSaysHowToGetIt) {
  test::expect_error(ErrorKind::bad_input, [] { require_video("clip.mp4"); }, {"clip.mp4: "});
  const test::TemporaryDirectory folder;
  test::write_text(folder / "clip.mp4", "some bytes of a video");
  test::expect_error(ErrorKind::bad_input, [&] { static_cast<void>(open_frame_stream(folder / "clip.mp4", 1)); },
                     {"clip.mp4'", "RINGWORLD_ENABLE_FFMPEG=ON", "folder of frames"});
  test::expect_error(ErrorKind::bad_input, [] { static_cast<void>(make_mp4_encoder(32, 32, 4)); },
                     {"RINGWORLD_ENABLE_FFMPEG=ON"});
}

}  // namespace
}  // namespace ringworld
