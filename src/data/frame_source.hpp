#pragma once
/// @file  Frames to train on, by number: any rank draws the same frame for the same index.

#include <cstdint>
#include <span>
#include <string>

namespace ringworld {

/// Frames that are a pure function of their index. `draw` may be called by several threads at once.
class FrameSource {
 public:
  FrameSource() = default;
  FrameSource(const FrameSource&) = delete;
  FrameSource& operator=(const FrameSource&) = delete;
  virtual ~FrameSource() = default;

  /// Height and width of a frame, in pixels.
  [[nodiscard]] virtual std::int64_t frame_side() const = 0;

  /// @param index  any; two indices may give one frame
  /// @param frame  (side, side, 3), overwritten with red, green and blue in [-1, 1]
  virtual void draw(std::uint64_t index, std::span<float> frame) const = 0;

  /// Text that tells one source from another: a run is resumed only with the frames that it began with.
  [[nodiscard]] virtual std::string digest() const = 0;
};

}  // namespace ringworld
