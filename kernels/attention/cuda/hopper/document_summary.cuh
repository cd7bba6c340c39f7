#pragma once
/// @file  What document ids a group of tokens holds, gathered once a call so that blocks can skip tiles by a look.
///
/// Packed sequences number their documents in order, so the tiles that a tile sees are neighbours: a block finds the
/// first and the last, and walks over what lies between.

#include <cuda_runtime.h>

#include <cstdint>
#include <limits>

#include "kernels/attention/cuda/hopper/shapes.hpp"
#include "kernels/attention/cuda/hopper/summary_size.hpp"
#include "kernels/attention/cuda/tile_mask.cuh"

namespace ringworld::cuda::hopper {

/// The smallest and largest id, padding aside.
struct DocumentSummary {
  std::int32_t smallest = std::numeric_limits<std::int32_t>::max();
  std::int32_t largest = -1;

  __device__ void add(std::int32_t id) {
    if (id >= 0) {
      smallest = min(smallest, id);
      largest = max(largest, id);
    }
  }

  __device__ void add(const DocumentSummary& other) {
    smallest = min(smallest, other.smallest);
    largest = max(largest, other.largest);
  }

  /// Certain that no token of one sees a token of the other. Nothing but padding is disjoint from everything.
  [[nodiscard]] __device__ bool is_disjoint(const DocumentSummary& other) const {
    return largest < other.smallest || other.largest < smallest;
  }
};
static_assert(sizeof(DocumentSummary) == summary_bytes);

/// Summaries (B, groups) of one side, in device memory.
struct DocumentSummaries {
  DocumentSummary* data = nullptr;
  int groups = 0;  ///< of a batch row: ceil(T / summary_tokens)

  /// Of `count` tokens from `begin` on; both are multiples of summary_tokens, and the end of the row is heeded.
  /// @tparam unrolled  summaries that are asked for at once: a thread with few registers asks for one
  template <int unrolled = 4>
  [[nodiscard]] __device__ DocumentSummary of_tokens(int b, int begin, int count) const {
    DocumentSummary found;
    const int end = min((begin + count) / summary_tokens, groups);
#pragma unroll unrolled
    for (int group = begin / summary_tokens; group < end; ++group) {
      found.add(data[static_cast<std::int64_t>(b) * groups + group]);
    }
    return found;
  }
};

/// Tiles `begin <= tile < end`.
struct TileRange {
  int begin;
  int end;

  [[nodiscard]] __device__ bool is_empty() const { return begin >= end; }
};

/// The smallest range that holds all tiles of `candidates`, `tile_tokens` long, that `own` is not disjoint from.
/// Called by a whole warp; every lane gets the same answer.
/// @tparam unrolled  as for `of_tokens`, and tiles that a lane looks at side by side
template <int unrolled = 4>
__device__ TileRange overlapping_tiles(const DocumentSummary& own, const DocumentSummaries& others, int b,
                                       int tile_tokens, TileRange candidates) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  TileRange found{.begin = candidates.end, .end = candidates.begin};
#pragma unroll unrolled
  for (int tile = candidates.begin + lane; tile < candidates.end; tile += 32) {
    if (!own.is_disjoint(others.of_tokens<unrolled>(b, tile * tile_tokens, tile_tokens))) {
      found.begin = min(found.begin, tile);
      found.end = max(found.end, tile + 1);
    }
  }
  for (int distance = 16; distance > 0; distance /= 2) {
    found.begin = min(found.begin, __shfl_xor_sync(all_lanes, found.begin, distance));
    found.end = max(found.end, __shfl_xor_sync(all_lanes, found.end, distance));
  }
  return found;
}

/// Summarises the ids of one side. Enqueues on `stream`.
void summarize_documents(const Documents& documents, int batch, int tokens, const DocumentSummaries& summaries,
                         cudaStream_t stream);

}  // namespace ringworld::cuda::hopper
