#pragma once
/// @file  GIF files, still and animated, by giflib.

#include <memory>
#include <span>
#include <string>

#include "media/clip_encoder.hpp"
#include "media/frame_stream.hpp"

namespace ringworld {

[[nodiscard]] bool is_gif(std::span<const std::byte> bytes);

/// The frames as they are seen: each is drawn over those before it, as the file says. Of the first frame, transparent
/// pixels have the colour that the palette gives them. Delays under 2/100 s count as 1/10 s, as in browsers.
/// @param name  of the file, for errors: a quoted path
/// @throws ringworld::Error (bad_input) that names the file when it is damaged or too large.
[[nodiscard]] std::unique_ptr<FrameStream> open_gif(FileBytes bytes, const std::string& name);

/// An animation that repeats for ever; each frame has its own palette (media/palette.hpp).
/// @param frames_per_second  at most 50: a delay is a multiple of 1/100 s, and those under 2/100 are not kept to
/// @throws ringworld::Error (bad_input) when the rate or the size cannot be written.
[[nodiscard]] std::unique_ptr<ClipEncoder> make_gif_encoder(std::int64_t width, std::int64_t height,
                                                            double frames_per_second);

}  // namespace ringworld
