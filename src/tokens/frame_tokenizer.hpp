#pragma once
/// @file  Conversion of frames to codes and back. A frame is a square picture, a code is an index into the table of a
/// vector quantiser; codes stand for square patches of the frame, row by row.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tokens/tokenizer.hpp"

namespace ringworld {

/// Frames to codes and back. An object serves one thread at a time.
class FrameTokenizer {
 public:
  FrameTokenizer() = default;
  FrameTokenizer(const FrameTokenizer&) = delete;
  FrameTokenizer& operator=(const FrameTokenizer&) = delete;
  virtual ~FrameTokenizer() = default;

  /// Height and width of a frame, in pixels.
  [[nodiscard]] virtual std::int64_t frame_side() const = 0;
  /// Codes along a side; a frame has the square of it. LWM has 16.
  [[nodiscard]] virtual std::int64_t codes_per_side() const = 0;
  /// Codes are at least 0 and below this.
  [[nodiscard]] virtual std::int64_t codebook_size() const = 0;

  /// @param frames  (n, side, side, 3), red, green and blue in [-1, 1]     @return (n, codes of a frame)
  /// The codes of a frame do not depend on the frames beside it.
  /// @throws ringworld::Error (bad_input) when `frames` is not a whole number of frames.
  [[nodiscard]] virtual std::vector<Token> encode(std::span<const float> frames) = 0;

  /// @param codes  (n, codes of a frame)     @return (n, side, side, 3), clipped to [-1, 1]
  /// @throws ringworld::Error (bad_input) when `codes` is not a whole number of frames, or holds a code which is not in
  /// the codebook.
  [[nodiscard]] virtual std::vector<float> decode(std::span<const Token> codes) = 0;

  /// Text that tells one set of weights from another: codes mean something only to the network that made them.
  [[nodiscard]] virtual std::string digest() const = 0;

  [[nodiscard]] std::int64_t codes_per_frame() const { return codes_per_side() * codes_per_side(); }
  /// Numbers of a frame, side * side * 3.
  [[nodiscard]] std::int64_t frame_size() const { return frame_side() * frame_side() * 3; }
};

}  // namespace ringworld
