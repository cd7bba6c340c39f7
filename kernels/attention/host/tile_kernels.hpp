#pragma once
/// @file  The inner operations of the host attention, compiled once an instruction set and chosen at run time.
///
/// Every operand is a packed fp32 tile: 64-byte aligned, leading dimension a multiple of `lane_padding`, so that one
/// data layout serves every register width.

#include <cstdint>

#include "core/dtype.hpp"
#include "core/isa.hpp"

namespace ringworld::host_attention {

inline constexpr std::int64_t lane_padding = 16;  ///< floats of the widest register
inline constexpr std::int64_t query_tile = 96;    ///< queries of a tile: a multiple of every register block
inline constexpr std::int64_t key_tile = 64;      ///< keys of a tile: scores of 96 x 64 floats are 24 KiB

/// The smallest multiple of `lane_padding` that holds `count`.
[[nodiscard]] constexpr std::int64_t padded(std::int64_t count) {
  return (count + lane_padding - 1) / lane_padding * lane_padding;
}

/// Copies (rows, columns) of strided activations to a packed tile, as fp32.
struct PackTile {
  const void* source = nullptr;
  DType dtype = DType::float32;
  std::int64_t row_stride = 0;  ///< elements; columns are dense
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  float* target = nullptr;
  std::int64_t leading = 0;
};

/// C (m, n) = [C +] A (m, k) B (k, n). A is read element by element through two strides, so that it may be transposed.
struct TileProduct {
  std::int64_t m = 0;
  std::int64_t n = 0;  ///< a multiple of lane_padding
  std::int64_t k = 0;
  const float* a = nullptr;
  std::int64_t a_row_stride = 0;
  std::int64_t a_column_stride = 0;
  const float* b = nullptr;
  std::int64_t b_leading = 0;
  float* c = nullptr;
  std::int64_t c_leading = 0;
  bool accumulate = false;
};

/// Which keys of a tile its queries see. Rows are queries, columns are keys.
struct TileMask {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  /// Row i sees columns j < clamp(first_row_visible + i, 0, columns); a large number when nothing is causal.
  std::int64_t first_row_visible = 0;
  const std::int32_t* query_segments = nullptr;  ///< null when no document ends inside the tile
  const std::int32_t* key_segments = nullptr;
};

/// Turns scores (rows, key_tile) into unnormalised probabilities and folds them into the rows' running softmax.
struct SoftmaxTile {
  TileMask mask;
  float scale = 1.0F;
  float* scores = nullptr;   ///< in: q.k, out: exp(scale q.k - maximum), 0 where masked
  float* maximum = nullptr;  ///< (rows)
  float* sum = nullptr;      ///< (rows)
  float* output = nullptr;   ///< (rows, output_leading), rescaled when a maximum grows
  std::int64_t output_leading = 0;
};

/// Turns scores and dP (rows, key_tile) into P and scale * dS, with dS = P (dP - delta).
struct GradientTile {
  TileMask mask;
  float scale = 1.0F;
  float* scores = nullptr;                ///< in: q.k, out: exp(scale q.k - lse), 0 where masked
  float* probability_gradient = nullptr;  ///< in: dO.v, out: scale P (dO.v - delta)
  const float* lse = nullptr;             ///< (rows)
  const float* delta = nullptr;           ///< (rows)
};

/// One instruction set's versions.
struct TileKernels {
  void (*pack)(const PackTile&) = nullptr;             ///< target[row][column], columns zero padded to `leading`
  void (*pack_transposed)(const PackTile&) = nullptr;  ///< target[column][row], rows zero padded to key_tile
  void (*multiply)(const TileProduct&) = nullptr;
  void (*softmax)(const SoftmaxTile&) = nullptr;
  void (*gradient)(const GradientTile&) = nullptr;
};

[[nodiscard]] const TileKernels& tile_kernels(Isa isa);

[[nodiscard]] const TileKernels& portable_tile_kernels();
[[nodiscard]] const TileKernels& avx2_tile_kernels();
[[nodiscard]] const TileKernels& avx512_tile_kernels();

}  // namespace ringworld::host_attention
