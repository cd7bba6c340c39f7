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
  CUtensorMap out;  ///< boxes of warpgroup_rows x 64, where results are wanted
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

/// Folds one block of keys and values into the state, or on into the results. Enqueues on `stream`.
/// @param overlaps  whether the softmax of a tile runs beside the product of the tile before
template <int head_size>
void launch_forward(const ForwardArguments& arguments, bool overlaps, cudaStream_t stream);

extern template void launch_forward<64>(const ForwardArguments&, bool, cudaStream_t);
extern template void launch_forward<128>(const ForwardArguments&, bool, cudaStream_t);

}  // namespace ringworld::cuda::hopper
