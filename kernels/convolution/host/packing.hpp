#pragma once
/// @file  Packing of the operands: frames with their padding, so that what a row of taps reads is one run of memory,
/// and weights in panels of output channels.
///
///   packed row    0 0 0 | x x x | x x x | ... | 0 0 0        3 taps x I channels: one run; the next pixel's begins
///                 '--------- pixel 0 ---'                     stride * I floats further on
///                         '------ pixel 1 ------'

#include <cstdint>
#include <vector>

namespace ringworld::host_convolution {

/// Which rows and columns the taps of a correlation read. A backward pass by data is one as well: its input is dy with
/// `dilation` - 1 zeros between neighbours.
struct Correlation {
  std::int64_t kernel = 0;
  std::int64_t stride = 0;
  std::int64_t pad_begin = 0;
  std::int64_t dilation = 1;
  std::int64_t frames = 0;
  std::int64_t height = 0, width = 0, channels = 0;  ///< of the input
  std::int64_t out_height = 0, out_width = 0;

  /// Whether no tap reads a zero that is not in memory.
  [[nodiscard]] bool reads_frames_only() const {
    const auto fits = [&](std::int64_t out, std::int64_t in) { return (out - 1) * stride + kernel <= in; };
    return dilation == 1 && pad_begin == 0 && fits(out_height, height) && fits(out_width, width);
  }
};

/// Part of the output: a number of whole frames, or some rows of one frame.
struct Group {
  std::int64_t first_frame = 0, frames = 0;
  std::int64_t first_row = 0, rows = 0;  ///< of the output, in each frame

  [[nodiscard]] std::int64_t lines() const { return frames * rows; }
};

/// Cuts the output into groups whose packed input fits into a cache that cores share. By the shape alone.
[[nodiscard]] std::vector<Group> groups_of(const Correlation& correlation);

/// The input of a group, padded, in memory.
struct PackedInput {
  const float* data = nullptr;
  std::int64_t row_stride = 0;    ///< floats from an input row to the next
  std::int64_t frame_stride = 0;  ///< floats from a frame to the next

  /// What the first row of taps of an output row reads. `line` counts the output rows of the group.
  [[nodiscard]] const float* line(const Group& group, std::int64_t line, std::int64_t stride) const {
    return data + line / group.rows * frame_stride + line % group.rows * stride * row_stride;
  }
};

/// Packs into `memory`, which grows, unless the input can be read where it is.
[[nodiscard]] PackedInput pack_input(const Correlation& correlation, const Group& group, const float* input,
                                     int threads, std::vector<float>& memory);

/// Output channels that a product takes at once.
inline constexpr std::int64_t panel_width = 64;

/// Floats of a row of the panel that begins at column `column`: its columns, padded to whole registers.
[[nodiscard]] std::int64_t padded_width(std::int64_t columns, std::int64_t column);

/// (depth, columns), in panels one behind another: panel p holds the columns from p * panel_width on as
/// (depth, padded_width), its last columns 0.
struct PackedWeight {
  const float* data = nullptr;
  std::int64_t depth = 0;

  [[nodiscard]] const float* panel(std::int64_t column) const { return data + column * depth; }
};

/// The columns are the output channels. Reads the weight where it is, if that is one panel of whole registers.
[[nodiscard]] PackedWeight pack_weight(const float* weight, std::int64_t depth, std::int64_t outputs, int threads,
                                       std::vector<float>& memory);

/// The weight (taps, inputs, outputs) of the backward pass: taps in reverse order, (taps, outputs, inputs).
[[nodiscard]] PackedWeight pack_flipped_weight(const float* weight, std::int64_t taps, std::int64_t inputs,
                                               std::int64_t outputs, int threads, std::vector<float>& memory);

}  // namespace ringworld::host_convolution
