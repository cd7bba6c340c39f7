#pragma once
/// @file  Frames to train on from pictures and videos.

#include <filesystem>
#include <memory>
#include <vector>

#include "data/frame_source.hpp"

namespace ringworld {

/// Frames of a video or animation that take part: they are held in memory, 3 side^2 bytes each, as a video cannot be
/// entered at any frame. Pictures are read when they are drawn.
inline constexpr std::int64_t frames_of_a_video = 16;

/// Each index draws one of all frames, every one with the same chance: a picture, or one of `frames_of_a_video` frames
/// spread uniformly over a video; as a square of `side` pixels (media/resize.hpp).
/// @param paths  files, and folders whose files all count, those of folders inside them too
/// @throws ringworld::Error (bad_input) that names the path when it is missing, damaged or of another kind; a folder
/// without a picture or video. A picture's own damage is found when it is drawn.
[[nodiscard]] std::unique_ptr<FrameSource> make_media_frames(const std::vector<std::filesystem::path>& paths,
                                                             std::int64_t side);

}  // namespace ringworld
