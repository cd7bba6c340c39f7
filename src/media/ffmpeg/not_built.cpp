#include <fmt/format.h>

#include "core/error.hpp"
#include "media/video.hpp"

namespace ringworld {
void require_video(std::string_view what) {
  throw Error(
      ErrorKind::bad_input,
      fmt::format("{}: this build reads and writes no video; configure with -DRINGWORLD_ENABLE_FFMPEG=ON, or use "
                  "PNG, JPEG, GIF, or a folder of frames",
                  what));
}

std::unique_ptr<FrameStream> open_video(const std::filesystem::path& path) {
  require_video(fmt::format("'{}'", path.string()));
  return nullptr;
}

std::unique_ptr<ClipEncoder> make_mp4_encoder(std::int64_t /*width*/, std::int64_t /*height*/,
                                              double /*frames_per_second*/) {
  require_video("MP4");
  return nullptr;
}

}  // namespace ringworld
