#pragma once
/// @file  A file of frames that a verb writes: a picture, an animation or a video, as its name says.

#include <filesystem>
#include <memory>
#include <optional>
#include <span>

#include "media/clip_encoder.hpp"

namespace ringworld {

/// What a name promises.
enum class MediaFormat : std::uint8_t { png, gif, mp4 };

/// By the suffix, in any case.
/// @param flag  that gave the path, for errors
/// @throws Error(bad_input) when the suffix is another, or the build cannot write videos.
[[nodiscard]] MediaFormat media_format_of(const std::filesystem::path& path, std::string_view flag);

/// Square frames to one file, which appears whole or not at all. Not collective.
class MediaOutput {
 public:
  /// @param frames  that will be added: a PNG holds one
  /// @throws Error(bad_input) when the path cannot be written, or the format does not take the frames or the rate.
  MediaOutput(const std::filesystem::path& path, std::string_view flag, std::int64_t side, std::int64_t frames,
              double frames_per_second);

  /// @param pixels  (frames, side, side, 3) in [-1, 1]
  void add(std::span<const float> pixels);
  /// Once, behind the last frame.
  void publish();

 private:
  std::filesystem::path path_;
  std::int64_t side_;
  std::unique_ptr<ClipEncoder> clip_;  ///< null for a PNG
  FileBytes picture_;
};

}  // namespace ringworld
