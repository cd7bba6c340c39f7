#pragma once
/// @file  Video files, by FFmpeg's libraries, where the build has them.

#include <filesystem>
#include <memory>
#include <string_view>

#include "media/clip_encoder.hpp"
#include "media/frame_stream.hpp"

namespace ringworld {

/// @throws ringworld::Error (bad_input) that begins with `what`, when this build reads and writes no video, or this machine
/// lacks the libraries that it was built with. They are loaded at the first call.
void require_video(std::string_view what);

/// The frames of the first video stream. Sound is left out; a rotation that a camera notes in the file is not applied.
/// @throws ringworld::Error (bad_input) that names the file when it is no video, has no video stream, no frame, is
/// damaged, or its codec is unknown; or when the build reads no video.
[[nodiscard]] std::unique_ptr<FrameStream> open_video(const std::filesystem::path& path);

/// An MP4 file: H.264 where the libraries have x264, else MPEG-4. Sides are made even by repeating the last row and
/// column, as the format asks for.
/// @throws ringworld::Error (bad_input) when the size or the rate cannot be written, or when the build writes no video.
[[nodiscard]] std::unique_ptr<ClipEncoder> make_mp4_encoder(std::int64_t width, std::int64_t height,
                                                            double frames_per_second);

}  // namespace ringworld
