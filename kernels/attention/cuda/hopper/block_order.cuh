#pragma once
/// @file  Which tile of which head a block owns: the longest first, and heads in groups that fit into the cache.
///
/// Blocks start in the order of their index. Under a causal mask tiles differ in length, and a long one that starts
/// last leaves the device idle around it. The tiles of a head read the same keys and values (or the same queries), so
/// heads run in sections whose data the second-level cache holds.
///
///   block   0 1 2 3 | 4 5 6 7 | ...        section of 4 heads: their longest tiles, their second longest, ...
///   head    0 1 2 3 | 0 1 2 3 | ...
///   rank    0 0 0 0 | 1 1 1 1 | ...

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

#include "kernels/attention/cuda/hopper/shapes.hpp"

namespace ringworld::cuda::hopper {

struct BlockOrder {
  int tiles;          ///< of a head
  int heads;          ///< of all batch rows: B H
  int section_heads;  ///< heads that run together

  struct Place {
    int head;  ///< of all batch rows
    int rank;  ///< 0 = the longest tile of its head
  };

  [[nodiscard]] __device__ Place place_of(int block) const {
    const int section = block / (section_heads * tiles);
    const int first_head = section * section_heads;
    const int heads_here = min(section_heads, heads - first_head);
    const int index = block - first_head * tiles;
    return {.head = first_head + index % heads_here, .rank = index / heads_here};
  }
};

/// @param bytes_per_head  of the tensors that all tiles of a head read or add to
[[nodiscard]] inline BlockOrder block_order_of(int tiles, int heads, std::int64_t bytes_per_head) {
  const std::int64_t fitting = cache_budget_bytes / std::max<std::int64_t>(bytes_per_head, 1);
  return {
      .tiles = tiles, .heads = heads, .section_heads = static_cast<int>(std::clamp<std::int64_t>(fitting, 1, heads))};
}

}  // namespace ringworld::cuda::hopper
