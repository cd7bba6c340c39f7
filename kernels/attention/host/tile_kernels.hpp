#pragma once
/// @file  The inner operations of the host attention, compiled once an instruction set and chosen at run time.
///
/// Operands of products are matrices of 32-bit words. A word is one float, or two bf16 that follow each other along the
/// depth (the index that a product sums over), as `vdpbf16ps` wants them:
///
///   depth_per_word = 1            depth_per_word = 2
///   depth 0 1 2 3                 depth 01 23           so that one loop over words serves both, and a word of the
///     row | | | |                   row  |  |           left operand is broadcast whatever it holds
///
/// Every operand is 64-byte aligned with a leading dimension that is a multiple of `lane_padding`, so that one layout
/// serves every register width.

#include <algorithm>
#include <cstdint>

#include "core/dtype.hpp"
#include "core/isa.hpp"

namespace ringworld::host_attention {

inline constexpr std::int64_t lane_padding = 16;  ///< words of the widest register
inline constexpr std::int64_t query_tile = 64;    ///< queries of a tile
inline constexpr std::int64_t key_tile = 64;      ///< keys of a tile: scores of 64 x 64 floats are 16 KiB

/// One float, or two bf16. Kernels read and write it through types that may alias.
using Word = std::uint32_t;

/// A bit for each token of a tile, the first in the lowest.
using TokenBits = std::uint64_t;
static_assert(query_tile <= 64 && key_tile <= 64);

/// Which keys of a tile its queries see.
struct TileMask {
  std::int64_t queries = 0;
  std::int64_t keys = 0;
  /// Query i sees keys j < clamp(first_query_sees + i, 0, keys); a large number when nothing is causal.
  std::int64_t first_query_sees = 0;
  /// No query sees a key before the first number; no query from the second on sees a key. Bounds on work, not masks.
  std::int64_t key_begin = 0;
  std::int64_t query_end = 0;
  const std::int32_t* query_document_ids = nullptr;  ///< null when no document ends inside the tile
  const std::int32_t* key_document_ids = nullptr;
  /// Tokens that were packed as zeros for not being finite (PackRows). What sees one of them, or is seen by it, is NaN.
  TokenBits zeroed_queries = 0;
  TokenBits zeroed_keys = 0;

  /// The mask of the same queries and the keys from `key` on.
  [[nodiscard]] TileMask from_key(std::int64_t key) const {
    TileMask rest = *this;
    rest.keys -= key;
    rest.first_query_sees -= key;
    rest.key_begin = std::max<std::int64_t>(0, key_begin - key);
    rest.key_document_ids += key_document_ids == nullptr ? 0 : key;
    rest.zeroed_keys >>= key;
    return rest;
  }

  /// Whether every query sees every one of `key_tile` keys, and all are finite.
  [[nodiscard]] bool is_full() const {
    return first_query_sees >= key_tile && keys == key_tile && query_document_ids == nullptr &&
           (zeroed_queries | zeroed_keys) == 0;
  }
};

/// Rows of strided activations, to be packed.
struct PackRows {
  const void* source = nullptr;
  DType dtype = DType::float32;
  std::int64_t row_stride = 0;  ///< elements; columns are dense
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  Word* target = nullptr;
  std::int64_t leading = 0;  ///< words; the rest of a row is zeroed
};

/// target (columns, rows) = source (rows, columns)^T, of words; target rows are zero padded to `padded_rows`.
struct Transpose {
  const Word* source = nullptr;
  std::int64_t source_leading = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  Word* target = nullptr;
  std::int64_t target_leading = 0;
  std::int64_t padded_rows = 0;
};

/// C (m, n) = scale * A (m, k) B (k, n), or C + A B when accumulating; C in fp32. A is read word by word through two strides, so it may be transposed.
struct TileProduct {
  std::int64_t m = 0;
  std::int64_t n = 0;  ///< a multiple of lane_padding
  std::int64_t k = 0;  ///< words
  const Word* a = nullptr;
  std::int64_t a_row_stride = 0;
  std::int64_t a_depth_stride = 0;
  const Word* b = nullptr;
  std::int64_t b_leading = 0;
  float* c = nullptr;
  std::int64_t c_leading = 0;
  bool accumulate = false;
  float scale = 1.0F;  ///< of a product that does not accumulate
};

/// Turns transposed scores into unnormalised probabilities, folded into the running softmax of the queries.
/// Queries lie along the lanes: maximum and sum of a query never cross lanes.
struct SoftmaxTile {
  TileMask mask;
  /// in: scaled scores as floats (key_tile, query_tile); out: exp(score - maximum), 0 where masked, as words with the
  /// keys as depth (key_tile / depth_per_word, query_tile)
  float* scores = nullptr;
  float* maximum = nullptr;  ///< (query_tile), of the scaled scores
  float* sum = nullptr;      ///< (query_tile)
  float* output = nullptr;   ///< (head size, query_tile), rescaled where a maximum grows
  std::int64_t head_size = 0;
};

/// Turns scores and dP into P and scale * dS, with dS = P (dP - delta).
struct GradientTile {
  TileMask mask;
  /// in: scaled scores as floats (query_tile, key_tile); out: P as words with the queries as depth
  float* scores = nullptr;
  /// in: scale * dP as floats (query_tile, key_tile); out: scale * dS as words with the queries as depth
  float* probability_gradient = nullptr;
  /// scale * dS as words with the keys as depth, (query_tile, key_tile / 2); unused when a word is a float, for then
  /// both are the same matrix
  Word* key_depth = nullptr;
  const float* maximum = nullptr;       ///< (query_tile)
  const float* inverse_sum = nullptr;   ///< (query_tile), 0 where there is no query or it has seen no key
  const float* scaled_delta = nullptr;  ///< (query_tile), scale * delta
  float largest_excess = 0.0F;          ///< of a score above the maximum; P is NaN beyond it
};

/// The versions of one instruction set and kind of word.
struct TileKernels {
  std::int64_t depth_per_word = 1;
  void (*pack)(const PackRows&) = nullptr;  ///< (rows, columns / depth_per_word): the columns are the depth
  /// (rows / depth_per_word, columns): the rows are the depth. A row that holds NaN or infinity is packed as zeros, for a
  /// product over rows would carry it, as 0 * NaN, to tokens that do not see it. @return those rows
  TokenBits (*pack_row_depth)(const PackRows&) = nullptr;
  void (*transpose)(const Transpose&) = nullptr;
  void (*multiply)(const TileProduct&) = nullptr;
  void (*softmax)(const SoftmaxTile&) = nullptr;
  void (*gradient)(const GradientTile&) = nullptr;
};

/// Kernels for operands of `dtype` at best: bf16 words where the CPU multiplies them, else floats.
[[nodiscard]] const TileKernels& tile_kernels(Isa isa, DType dtype);

[[nodiscard]] const TileKernels& portable_tile_kernels();
[[nodiscard]] const TileKernels& avx2_tile_kernels();
[[nodiscard]] const TileKernels& avx512_tile_kernels();
[[nodiscard]] const TileKernels& avx512_bf16_tile_kernels();

}  // namespace ringworld::host_attention
