#pragma once
/// @file  Which frames of a clip are taken.

#include <cstdint>
#include <span>
#include <vector>

namespace ringworld {

/// All frames, or `frames` of them, or `frames_per_second`: at most one of the two is not 0.
struct FrameChoice {
  std::int64_t frames = 0;
  double frames_per_second = 0;

  [[nodiscard]] bool takes_all() const { return frames == 0 && frames_per_second == 0; }
};

/// Numbers of the taken frames, growing.
///
/// `frames` = n: all when there are at most n, else numpy's linspace(0, count - 1, n) truncated: spread uniformly over the
/// clip, first and last included, as LWM does it; times play no part.
/// `frames_per_second` = f: the frame that is seen at k / f, for k = 0, 1, 2, ... up to the last frame's time; no frame
/// twice, so that a clip of a lower rate keeps its own frames.
/// @param times  of all frames, in seconds, not falling
[[nodiscard]] std::vector<std::int64_t> choose_frames(std::span<const double> times, const FrameChoice& choice);

}  // namespace ringworld
