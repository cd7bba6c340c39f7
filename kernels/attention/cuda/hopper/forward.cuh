#pragma once
/// @file  The forward kernel of the Hopper path: what it reads and how it is launched.

#include <cuda.h>
#include <cuda_runtime.h>

#include "kernels/attention/cuda/gate.cuh"
#include "kernels/attention/cuda/hopper/block_order.cuh"
#include "kernels/attention/cuda/hopper/document_summary.cuh"
#include "kernels/attention/cuda/result_vectors.cuh"
#include "kernels/attention/cuda/tile_mask.cuh"
#include "kernels/attention/cuda/views.cuh"

namespace ringworld::cuda::hopper {

struct ForwardArguments {
  CUtensorMap q;  ///< boxes of consumer_rows x 64
  CUtensorMap k;  ///< boxes of keys x 64
  CUtensorMap v;
  CUtensorMap out;           ///< boxes of warpgroup_rows x 64, where results are wanted
  CUtensorMap state_output;  ///< of the state: boxes of warpgroup_rows x 32, for a persistent grid
  TileMask mask;
  DocumentSummaries query_documents;  ///< of mask.queries; empty when there are no documents
  DocumentSummaries key_documents;
  StateRows state;
  ResultVectors results;
  BlockOrder order;
  int heads;
  int heads_per_kv_head;
  float scale;
  Gate gate;
};

/// Builds of the forward kernel, for a GPU to judge.
struct ForwardVariant {
  bool overlaps;       ///< whether the softmax of a tile runs beside the product of the tile before
  bool is_persistent;  ///< whether blocks take one tile after the other; needs `state_output`
  int most_blocks;     ///< of a persistent grid
};

/// Folds one block of keys and values into the state, or on into the results. Enqueues on `stream`.
/// @pre a persistent grid runs on the compute stream (tile_queue.cuh)
template <int head_size>
void launch_forward(const ForwardArguments& arguments, const ForwardVariant& variant, cudaStream_t stream);

extern template void launch_forward<64>(const ForwardArguments&, const ForwardVariant&, cudaStream_t);
extern template void launch_forward<128>(const ForwardArguments&, const ForwardVariant&, cudaStream_t);

}  // namespace ringworld::cuda::hopper
