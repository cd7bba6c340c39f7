#include <fmt/format.h>

#include "core/error.hpp"
#include "media/video.hpp"

namespace ringworld {
namespace {

[[noreturn]] void throw_not_built(std::string_view what) {
  throw Error(
      ErrorKind::bad_input,
      fmt::format("{}: this build reads and writes no video; configure with -DRINGWORLD_ENABLE_FFMPEG=ON, or use "
                  "PNG, JPEG, GIF, or a folder of frames",
                  what));
}

}  // namespace

bool has_video() { return false; }

std::unique_ptr<FrameStream> open_video(const std::filesystem::path& path) {
  throw_not_built(fmt::format("'{}'", path.string()));
}

std::unique_ptr<ClipEncoder> make_mp4_encoder(std::int64_t /*width*/, std::int64_t /*height*/,
                                              double /*frames_per_second*/) {
  throw_not_built("MP4");
}

}  // namespace ringworld
