#pragma once
/// @file  What a block of the forward pass reads: tiles of queries, keys and values in shared memory, and the warps of
/// the producer that fill them.
///
///   producer warp     K0 Q    K1 V0    K2 V1    K3 V2 ...       bulk copies into stages; K runs ahead of V by one tile
///
/// A block may work on several query tiles, one after the other. The pipelines go on from tile to tile: the first keys
/// of the next query tile are copied while the consumers finish the present one.

#include <cstddef>
#include <cstdint>

#include "device/cuda/ptx/bulk_copy.cuh"
#include "kernels/attention/cuda/hopper/forward.cuh"
#include "kernels/attention/cuda/hopper/fragment_mask.cuh"
#include "kernels/attention/cuda/hopper/pipeline.cuh"
#include "kernels/attention/cuda/hopper/swizzled_tile.cuh"
#include "kernels/attention/cuda/hopper/tile_copy.cuh"

namespace ringworld::cuda::hopper {

template <int head_size>
struct ForwardTiles {
  using Shape = ForwardShape<head_size>;
  static constexpr int queries = consumer_rows<Shape>;
  using Queries = SwizzledTile<queries, head_size>;
  using Keys = SwizzledTile<Shape::keys, head_size>;
};

/// A query tile of one head.
struct ForwardPlace {
  int b;
  int head;
  int kv_head;
  int query_begin;
};

/// The query tile that has this number in the order of the launch.
template <int head_size>
__device__ ForwardPlace forward_place(const ForwardArguments& arguments, int number) {
  const BlockOrder::Place in_order = arguments.order.place_of(number);
  // Under a causal mask the last queries see the most keys.
  return {.b = in_order.head / arguments.heads,
          .head = in_order.head % arguments.heads,
          .kv_head = in_order.head % arguments.heads / arguments.heads_per_kv_head,
          .query_begin = (arguments.order.tiles - 1 - in_order.rank) * ForwardTiles<head_size>::queries};
}

/// The key tiles that a query tile sees. Called by a whole warp.
/// @tparam unrolled  see overlapping_tiles
template <int head_size, bool has_documents, int unrolled>
__device__ TileRange visible_key_tiles(const ForwardArguments& arguments, const ForwardPlace& place) {
  constexpr int keys = ForwardShape<head_size>::keys;
  constexpr int queries = ForwardTiles<head_size>::queries;
  const TileMask& mask = arguments.mask;
  const int last_query = min(place.query_begin + queries, mask.query_tokens) - 1;
  const int visible_keys = max(0, min(mask.key_tokens, last_query + mask.diagonal + 1));
  const TileRange below_diagonal{.begin = 0, .end = (visible_keys + keys - 1) / keys};
  if constexpr (has_documents) {
    const DocumentSummary own = arguments.query_documents.of_tokens<unrolled>(place.b, place.query_begin, queries);
    return overlapping_tiles<unrolled>(own, arguments.key_documents, place.b, keys, below_diagonal);
  } else {
    return below_diagonal;
  }
}

/// The shared memory of the operands. It begins at a multiple of panel_alignment, and so do all its panels.
template <int head_size>
struct ForwardOperands {
  using Tiles = ForwardTiles<head_size>;
  using Shape = ForwardShape<head_size>;
  static constexpr int stages = Shape::stages;

  // Without alignas, which would round the size up: the persistent grid needs the rest.
  std::byte q[Tiles::Queries::bytes];
  std::byte k[stages][Tiles::Keys::bytes];
  std::byte v[stages][Tiles::Keys::bytes];
  static_assert(Tiles::Queries::bytes % panel_alignment == 0 && Tiles::Keys::bytes % panel_alignment == 0);
  std::int32_t query_documents[Tiles::queries];
  alignas(16) std::int32_t key_documents[stages][Shape::keys];
  Pipeline<1> q_pipeline;       ///< of q and its documents
  Pipeline<stages> k_pipeline;  ///< of k and its documents
  Pipeline<stages> v_pipeline;

  /// Called by one thread, before the block's first barrier.
  __device__ void initialize(bool has_documents) {
    const std::uint32_t producers = has_documents ? 1 + 32 : 1;
    q_pipeline.initialize(producers, 4 * Shape::consumers);
    k_pipeline.initialize(producers, 4 * Shape::consumers);
    v_pipeline.initialize(1, 4 * Shape::consumers);
  }
};

/// The first producer warp: one thread starts all copies, in the order in which the consumers release the stages.
template <int head_size>
class OperandProducer {
 public:
  __device__ OperandProducer(const ForwardArguments& arguments, ForwardOperands<head_size>& operands)
      : arguments_(arguments), operands_(operands) {}

  /// Copies what one query tile needs: nothing, if it sees no keys.
  __device__ void produce(const ForwardPlace& place, const TileRange& tiles) {
    if (tiles.is_empty()) {
      return;
    }
    copy_keys(operands_.k, operands_.k_pipeline, k_place_, arguments_.k, tiles.end - 1, place);
    operands_.q_pipeline.wait_empty(q_place_);
    const ptx::SharedAddress full = ptx::shared_address(&operands_.q_pipeline.full[0]);
    ptx::arrive_expecting(full, Tiles::Queries::bytes);
    start_tile_copy<typename Tiles::Queries>(operands_.q, arguments_.q, full, place.query_begin, place.head, place.b);
    q_place_.advance();
    for (int tile = tiles.end - 2; tile >= tiles.begin; --tile) {
      copy_keys(operands_.k, operands_.k_pipeline, k_place_, arguments_.k, tile, place);
      copy_keys(operands_.v, operands_.v_pipeline, v_place_, arguments_.v, tile + 1, place);
    }
    copy_keys(operands_.v, operands_.v_pipeline, v_place_, arguments_.v, tiles.begin, place);
  }

 private:
  using Tiles = ForwardTiles<head_size>;
  static constexpr int keys = ForwardShape<head_size>::keys;
  static constexpr int stages = ForwardShape<head_size>::stages;

  /// Copies one tile of keys or values.
  __device__ void copy_keys(std::byte (&to)[stages][Tiles::Keys::bytes], Pipeline<stages>& pipeline,
                            PipelinePlace<stages>& at, const CUtensorMap& map, int tile, const ForwardPlace& place) {
    pipeline.wait_empty(at);
    const ptx::SharedAddress full = ptx::shared_address(&pipeline.full[at.stage]);
    ptx::arrive_expecting(full, Tiles::Keys::bytes);
    start_tile_copy<typename Tiles::Keys>(to[at.stage], map, full, tile * keys, place.kv_head, place.b);
    at.advance();
  }

  const ForwardArguments& arguments_;
  ForwardOperands<head_size>& operands_;
  PipelinePlace<1> q_place_;
  PipelinePlace<stages> k_place_;
  PipelinePlace<stages> v_place_;
};

/// The second producer warp, where there are documents: brings the ids of queries and keys.
template <int head_size>
class DocumentProducer {
 public:
  __device__ DocumentProducer(const ForwardArguments& arguments, ForwardOperands<head_size>& operands)
      : arguments_(arguments), operands_(operands) {}

  /// Brings the ids of one query tile and of the keys that it sees, if there are any.
  __device__ void produce(const ForwardPlace& place, const TileRange& tiles) {
    constexpr int keys = ForwardShape<head_size>::keys;
    if (tiles.is_empty()) {
      return;
    }
    operands_.q_pipeline.wait_empty(q_place_);
    copy_documents(operands_.query_documents, arguments_.mask.queries, place.b, place.query_begin,
                   arguments_.mask.query_tokens);
    ptx::arrive(ptx::shared_address(&operands_.q_pipeline.full[0]));
    q_place_.advance();
    for (int tile = tiles.end - 1; tile >= tiles.begin; --tile) {
      operands_.k_pipeline.wait_empty(k_place_);
      copy_documents(operands_.key_documents[k_place_.stage], arguments_.mask.keys, place.b, tile * keys,
                     arguments_.mask.key_tokens);
      ptx::arrive(ptx::shared_address(&operands_.k_pipeline.full[k_place_.stage]));
      k_place_.advance();
    }
  }

 private:
  const ForwardArguments& arguments_;
  ForwardOperands<head_size>& operands_;
  PipelinePlace<1> q_place_;
  PipelinePlace<ForwardShape<head_size>::stages> k_place_;
};

}  // namespace ringworld::cuda::hopper
