#pragma once
/// @file  How the blocks of a persistent grid share out the query tiles of a launch, and how a block's warps hear of
/// theirs.
///
/// The blocks begin with the tiles that have their own numbers, and draw each further one from a counter in device
/// memory. A block draws until it gets a number beyond the last tile. A launch of n tiles on b blocks thus draws n - b
/// tiles and b refusals, n numbers in all; the counter wraps to zero after the n-th, and is ready for the next launch
/// without a kernel, a copy or the host. Launches that share a counter must not run at the same time: all are enqueued
/// on the compute stream.

#include "kernels/attention/cuda/hopper/forward_operands.cuh"

namespace ringworld::cuda::hopper {

/// A query tile and the key tiles that it sees.
struct TileWork {
  ForwardPlace place;
  TileRange tiles;

  /// What follows the last tile.
  [[nodiscard]] static __device__ TileWork end() { return {.place = {0, 0, 0, -1}, .tiles = {0, 0}}; }
  [[nodiscard]] __device__ bool is_end() const { return place.query_begin < 0; }
};

/// Numbers handed out by the launch that runs, those of the blocks' first tiles aside.
static __device__ unsigned drawn_tiles = 0;

/// Draws the tiles of one block. Called by a whole warp.
template <int head_size, bool has_documents>
class TileDraw {
 public:
  __device__ explicit TileDraw(const ForwardArguments& arguments) : arguments_(arguments) {}

  /// The next tile that there is something to do for. Queries that see no key keep their state; only if this block of
  /// keys is the last one are there results to be written for them.
  /// @pre the tile before was not the end
  __device__ TileWork next() {
    const int count = arguments_.order.tiles * arguments_.order.heads;
    for (;;) {
      const int number = next_number(count);
      if (number >= count) {
        return TileWork::end();
      }
      const ForwardPlace place = forward_place<head_size>(arguments_, number);
      const TileRange tiles = visible_key_tiles<head_size, has_documents, 1>(arguments_, place);
      if (!tiles.is_empty() || arguments_.results.is_wanted()) {
        return {place, tiles};
      }
    }
  }

 private:
  __device__ int next_number(int count) {
    if (is_first_) {
      is_first_ = false;
      return static_cast<int>(blockIdx.x);
    }
    unsigned drawn = 0;
    if (threadIdx.x % 32 == 0) {
      drawn = atomicInc(&drawn_tiles, static_cast<unsigned>(count) - 1);
    }
    return static_cast<int>(gridDim.x + __shfl_sync(all_lanes, drawn, 0));
  }

  const ForwardArguments& arguments_;
  bool is_first_ = true;
};

/// The block's present tile and the next one, in shared memory.
template <int readers>
struct TileQueue {
  static constexpr int entries = 2;

  TileWork work[entries];
  Pipeline<entries> pipeline;

  /// Called by one thread, before the block's first barrier.
  __device__ void initialize() { pipeline.initialize(1, readers); }

  /// Called by the whole warp that draws, once more for the end.
  template <class Draw>
  __device__ bool put_next(PipelinePlace<entries>& at, Draw& draw) {
    pipeline.wait_empty(at);
    __syncwarp();  // a lane that came later could miss this phase: readers may free the entry again
    const TileWork next = draw.next();
    if (threadIdx.x % 32 == 0) {
      work[at.stage] = next;
      ptx::arrive(ptx::shared_address(&pipeline.full[at.stage]));
    }
    at.advance();
    return !next.is_end();
  }

  /// Called by whole warps, each of which is one of `readers`.
  __device__ TileWork take(PipelinePlace<entries>& at) {
    pipeline.wait_full(at);
    const TileWork next = work[at.stage];
    pipeline.release(at);
    at.advance();
    return next;
  }

  /// The same, called by one thread of a warp whose other threads take no part.
  __device__ TileWork take_alone(PipelinePlace<entries>& at) {
    pipeline.wait_full(at);
    const TileWork next = work[at.stage];
    ptx::arrive(ptx::shared_address(&pipeline.empty[at.stage]));
    at.advance();
    return next;
  }
};

}  // namespace ringworld::cuda::hopper
