#include "experiments/common/media_output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "core/error.hpp"
#include "io/pending_file.hpp"
#include "media/gif.hpp"
#include "media/pixels.hpp"
#include "media/png.hpp"
#include "media/video.hpp"

namespace ringworld {

MediaFormat media_format_of(const std::filesystem::path& path, std::string_view flag) {
  std::string suffix = path.extension().string();
  std::ranges::transform(suffix, suffix.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (suffix == ".png") {
    return MediaFormat::png;
  }
  if (suffix == ".gif") {
    return MediaFormat::gif;
  }
  require_input(suffix == ".mp4", fmt::format("{} '{}': its name must end in .png, .gif or .mp4", flag, path.string()));
  require_video(fmt::format("{} '{}'", flag, path.string()));
  return MediaFormat::mp4;
}

MediaOutput::MediaOutput(const std::filesystem::path& path, std::string_view flag, std::int64_t side,
                         std::int64_t frames, double frames_per_second)
    : path_(path), side_(side) {
  switch (media_format_of(path, flag)) {
    case MediaFormat::png:
      require_input(frames == 1, fmt::format("{} '{}': a PNG holds one frame and not {}; give a .gif or .mp4", flag,
                                             path.string(), frames));
      break;
    case MediaFormat::gif:
      clip_ = make_gif_encoder(side, side, frames_per_second);
      break;
    case MediaFormat::mp4:
      clip_ = make_mp4_encoder(side, side, frames_per_second);
      break;
  }
  const PendingFile can_be_written(path_);
}

void MediaOutput::add(std::span<const float> pixels) {
  const auto frame_size = static_cast<std::size_t>(side_ * side_ * 3);
  require(pixels.size() % frame_size == 0, "media output: pixels that are no whole number of frames");
  for (std::size_t begin = 0; begin < pixels.size(); begin += frame_size) {
    const Image image = image_of(pixels.subspan(begin, frame_size), side_, side_);
    if (clip_ == nullptr) {
      picture_ = encode_png(image);
    } else {
      clip_->add(image);
    }
  }
}

void MediaOutput::publish() {
  PendingFile file(path_);
  file.write(clip_ == nullptr ? picture_ : clip_->finish());
  file.publish();
}

}  // namespace ringworld
