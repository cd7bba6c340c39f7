#pragma once
/// @file  Sets the scores of a fragment that the mask hides to -inf. Rows may be queries (forward) or keys (backward).

#include "kernels/attention/cuda/hopper/online_softmax.cuh"
#include "kernels/attention/cuda/tile_mask.cuh"

namespace ringworld::cuda::hopper {

/// Where a thread's part of a score fragment lies among the tokens.
struct FragmentPlace {
  int row;     ///< token of the thread's first row; the second is 8 further
  int column;  ///< token of the thread's first column; it has two of every eight
};

/// Rows are queries and columns keys: a row sees the keys up to its diagonal.
template <int N>
__device__ void hide_keys_beyond(float (&scores)[N], const FragmentPlace& place, const TileMask& mask) {
#pragma unroll
  for (int row = 0; row < thread_rows; ++row) {
    // Columns of the thread's own counting, below which keys are visible.
    const int visible = mask.key_end(place.row + 8 * row) - place.column;
#pragma unroll
    for (int at = 0; at < N; at += 4) {
#pragma unroll
      for (int column = 0; column < 2; ++column) {
        if (2 * at + column >= visible) {
          scores[at + 2 * row + column] = minus_infinity;
        }
      }
    }
  }
}

/// Rows are keys and columns queries: a key is seen by the queries from its diagonal on, and none sees a key beyond the
/// last. Queries beyond the last have no weight already (row_softmax).
template <int N>
__device__ void hide_from_queries_before(float (&scores)[N], const FragmentPlace& place, const TileMask& mask) {
#pragma unroll
  for (int row = 0; row < thread_rows; ++row) {
    const int first = mask.query_begin(place.row + 8 * row) - place.column;
#pragma unroll
    for (int at = 0; at < N; at += 4) {
#pragma unroll
      for (int column = 0; column < 2; ++column) {
        if (2 * at + column < first) {
          scores[at + 2 * row + column] = minus_infinity;
        }
      }
    }
  }
}

/// The rest of the mask: a row sees the columns of its own document.
/// @param row_ids, column_ids  in shared memory, from the thread's first row and column on; padding is negative
template <int N>
__device__ void hide_strangers(float (&scores)[N], const std::int32_t* row_ids, const std::int32_t* column_ids) {
#pragma unroll
  for (int at = 0; at < N; at += 4) {
    const int2 pair = *reinterpret_cast<const int2*>(column_ids + 2 * at);
#pragma unroll
    for (int row = 0; row < thread_rows; ++row) {
      const std::int32_t id = row_ids[8 * row];
      if (id < 0 || pair.x != id) {
        scores[at + 2 * row] = minus_infinity;
      }
      if (id < 0 || pair.y != id) {
        scores[at + 2 * row + 1] = minus_infinity;
      }
    }
  }
}

/// Copies the ids of a tile to shared memory; those of tokens that do not exist are padding. Called by a whole warp.
template <int Count>
__device__ void copy_documents(std::int32_t (&to)[Count], const Documents& documents, int b, int begin, int tokens) {
#pragma unroll
  for (int index = static_cast<int>(threadIdx.x) % 32; index < Count; index += 32) {
    to[index] = begin + index < tokens ? documents.at(b, begin + index) : -1;
  }
}

}  // namespace ringworld::cuda::hopper
