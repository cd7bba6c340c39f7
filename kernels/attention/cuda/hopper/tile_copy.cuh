#pragma once
/// @file  Bulk copies of tiles from device memory into shared memory.

#include <cuda.h>

#include <cstddef>
#include <cstdint>

#include "device/cuda/ptx/bulk_copy.cuh"

namespace ringworld::cuda::hopper {

/// Starts the copies of one tile, a panel each; called by one thread, which has told the barrier to expect Tile::bytes.
template <class Tile>
__device__ void start_tile_copy(std::byte* to, const CUtensorMap& map, ptx::SharedAddress barrier, int token, int head,
                                int b) {
#pragma unroll
  for (int panel = 0; panel < Tile::panels; ++panel) {
    ptx::load_tile(ptx::CacheHint::normal, ptx::shared_address(to) + panel * Tile::panel_bytes, &map, barrier,
                   panel * Tile::panel_columns, token, head, b);
  }
}

}  // namespace ringworld::cuda::hopper
