#pragma once
/// @file  Operations on images and codebooks, compiled once per instruction set like the row functions and chosen with
/// them. A panel is P pixels of C channels, dense: channels are the columns, and what is summed is summed over pixels.

#include <cstdint>

namespace ringworld::row {

/// For each channel of a panel: a number near its mean, and the sums of the distances from that number and of their
/// squares. The exact mean is `center + sum / P`, and the sum of squares round it `squares - sum^2 / P`.
struct ChannelMoments {
  const float* x = nullptr;  ///< (P, C)
  std::int64_t pixels = 0;
  std::int64_t channels = 0;
  float* center = nullptr;   ///< (C), overwritten, and so are the next two
  float* sum = nullptr;      ///< (C)
  float* squares = nullptr;  ///< (C)
};

/// y = u, or silu(u), with u = (x - mean) * factor + bias.
struct ChannelNorm {
  const float* x = nullptr;  ///< (P, C)
  std::int64_t pixels = 0;
  std::int64_t channels = 0;
  const float* mean = nullptr;    ///< (C)
  const float* factor = nullptr;  ///< (C)
  const float* bias = nullptr;    ///< (C)
  bool has_silu = false;
  float* y = nullptr;  ///< (P, C); may be x
};

/// The gradient by u of ChannelNorm, du, and for each channel its sum and that of du * (x - mean).
struct ChannelGradientSums {
  const float* dy = nullptr;  ///< (P, C)
  const float* x = nullptr;   ///< (P, C)
  std::int64_t pixels = 0;
  std::int64_t channels = 0;
  const float* mean = nullptr;    ///< (C)
  const float* factor = nullptr;  ///< (C)
  const float* bias = nullptr;    ///< (C)
  bool has_silu = false;
  float* du = nullptr;                 ///< (P, C), may be dy; null: not wanted
  float* sum = nullptr;                ///< (C), overwritten
  float* sum_with_distance = nullptr;  ///< (C), overwritten
};

/// dx = [dx +] du * factor - constant - (x - mean) * slope.
struct ChannelGradient {
  const float* dy = nullptr;  ///< (P, C): du itself unless `has_silu`
  const float* x = nullptr;   ///< (P, C)
  std::int64_t pixels = 0;
  std::int64_t channels = 0;
  const float* mean = nullptr;      ///< (C)
  const float* factor = nullptr;    ///< (C)
  const float* bias = nullptr;      ///< (C)
  const float* constant = nullptr;  ///< (C)
  const float* slope = nullptr;     ///< (C)
  bool has_silu = false;
  bool adds_to_dx = false;
  float* dx = nullptr;  ///< (P, C); may be dy
};

/// The sums of |a - b| and (a - b)^2, and the gradient of their weighted sum by a.
struct Differences {
  const float* a = nullptr;
  const float* b = nullptr;
  std::int64_t count = 0;
  float absolute_scale = 0;
  float squared_scale = 0;
  float* gradient = nullptr;  ///< may be a; null: not wanted
};
struct DifferenceSums {
  float absolute = 0;
  float squared = 0;
};

/// z.e - offset of `rows` vectors and all codes; the last codes, to a multiple of `code_block`, are padding.
struct CodeScores {
  static constexpr std::int64_t code_block = 16;  ///< a multiple of every instruction set's lanes
  static constexpr std::int64_t most_rows = 4;
  const float* z = nullptr;        ///< (rows, D)
  std::int64_t rows = 0;           ///< at most most_rows
  std::int64_t size = 0;           ///< D
  const float* codes = nullptr;    ///< (K / code_block, D, code_block)
  const float* offsets = nullptr;  ///< (K)
  std::int64_t padded_codes = 0;   ///< K, a multiple of code_block
  float* scores = nullptr;         ///< (rows, K), overwritten
};

/// One instruction set's versions. Sums are taken in an order that depends on the shape alone.
struct PixelFunctions {
  void (*channel_moments)(const ChannelMoments&) = nullptr;
  void (*normalize_channels)(const ChannelNorm&) = nullptr;
  void (*sum_channel_gradients)(const ChannelGradientSums&) = nullptr;
  void (*normalize_channels_backward)(const ChannelGradient&) = nullptr;
  DifferenceSums (*sum_differences)(const Differences&) = nullptr;
  void (*score_codes)(const CodeScores&) = nullptr;
  /// The first index from `begin` on whose value is not smaller than `limit`, NaN included; `count` where there is
  /// none.
  std::int64_t (*find_not_smaller)(const float* values, std::int64_t begin, std::int64_t count, float limit) = nullptr;
};

}  // namespace ringworld::row
