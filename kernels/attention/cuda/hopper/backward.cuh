#pragma once
/// @file  The backward kernel of the Hopper path: what it reads and how it is launched.

#include <cuda.h>
#include <cuda_runtime.h>

#include "kernels/attention/cuda/gate.cuh"
#include "kernels/attention/cuda/hopper/block_order.cuh"
#include "kernels/attention/cuda/hopper/document_summary.cuh"
#include "kernels/attention/cuda/tile_mask.cuh"
#include "kernels/attention/cuda/views.cuh"

namespace ringworld::cuda::hopper {

/// An fp32 tensor that is added to: a map for every 64 columns of a head, in boxes as gradient_sum.cuh stages them.
struct GradientMaps {
  CUtensorMap columns[2];
};

struct BackwardArguments {
  CUtensorMap q;     ///< boxes of queries x 64
  CUtensorMap dout;  ///< boxes of queries x 64
  CUtensorMap k;     ///< boxes of consumer_rows x 64
  CUtensorMap v;
  GradientMaps dq;
  GradientMaps dk;
  GradientMaps dv;
  RowNumbers<const float> maximum;
  RowNumbers<const float> sum;
  RowNumbers<const float> delta;
  TileMask mask;
  DocumentSummaries query_documents;  ///< of mask.queries; empty when there are no documents
  DocumentSummaries key_documents;
  BlockOrder order;
  int heads;
  int heads_per_kv_head;
  float scale;
  bool overwrites_keys;  ///< only with one query head a key head
  Gate gate;
};

/// Adds one block's share to the gradients. Enqueues on `stream`.
template <int head_size>
void launch_backward(const BackwardArguments& arguments, cudaStream_t stream);

extern template void launch_backward<64>(const BackwardArguments&, cudaStream_t);
extern template void launch_backward<128>(const BackwardArguments&, cudaStream_t);

}  // namespace ringworld::cuda::hopper
