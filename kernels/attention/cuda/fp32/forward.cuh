#pragma once
/// @file  Forward pass of a block in fp32, for any mix of types. One block of threads has 64 queries of one head and walks
/// over the keys, 64 at a time; weights go through shared memory, sums of the output stay in registers.

#include "kernels/attention/cuda/fp32/tile.cuh"
#include "kernels/attention/cuda/gate.cuh"
#include "kernels/attention/cuda/result_vectors.cuh"
#include "kernels/attention/cuda/softmax.cuh"
#include "kernels/attention/cuda/tile_mask.cuh"

namespace ringworld::cuda {

struct Fp32ForwardArguments {
  AnyVectors q;
  AnyVectors k;
  AnyVectors v;
  StateRows state;
  ResultVectors out;
  TileMask mask;
  Gate gate;
  float scale;
  int head_size;
  int heads_per_kv_head;
};

/// Over the sixteen threads that share a row; called by whole warps.
__device__ inline float maximum_of_row(float value) {
  for (int distance = 8; distance > 0; distance /= 2) {
    value = fmaxf(value, __shfl_xor_sync(0xffffffffU, value, distance));
  }
  return value;
}
__device__ inline float sum_of_row(float value) {
  for (int distance = 8; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(0xffffffffU, value, distance);
  }
  return value;
}

/// Grid: query tiles, heads, batch. @tparam column_groups  of 64 columns that hold the head size
template <int column_groups>
__global__ void __launch_bounds__(fp32_threads)
    fp32_forward_kernel(const __grid_constant__ Fp32ForwardArguments block) {
  __shared__ Fp32Shared shared;
  if (block.gate.is_closed()) {
    return;
  }
  const ThreadPlace place;
  const int b = static_cast<int>(blockIdx.z);
  const int h = static_cast<int>(blockIdx.y);
  const int kv_head = h / block.heads_per_kv_head;
  const TileMask& mask = block.mask;
  const int first_query = static_cast<int>(gridDim.x - 1 - blockIdx.x) * fp32_tile;
  const TokenRange query{first_query, first_query + fp32_tile};
  const DocumentRange documents = mask.query_documents(b, query);
  const int key_end = min(mask.key_tokens, min(query.end, mask.query_tokens) + mask.diagonal);
  const OperandRows queries{block.q, b, h, query.begin, mask.query_tokens, block.head_size};

  float maximum[4];
  float sum[4];
  float output[column_groups][4][4] = {};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int row = query.begin + place.row(i);
    const bool exists = row < mask.query_tokens;
    maximum[i] = exists ? block.state.maximum.at(b, h, row) : minus_infinity;
    sum[i] = exists ? block.state.sum.at(b, h, row) : 0.0F;
    const bool has_keys = maximum[i] != minus_infinity;
#pragma unroll
    for (int group = 0; group < column_groups; ++group) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const int column = fp32_tile * group + place.column(j);
        if (has_keys && column < block.head_size) {
          output[group][i][j] = block.state.output.at(b, row, h)[column];
        }
      }
    }
  }

  for (int first_key = 0; first_key < key_end; first_key += fp32_tile) {
    const TokenRange key{first_key, first_key + fp32_tile};
    if (mask.cover(query, documents, key, mask.key_documents(b, key)) == Cover::none) {
      continue;
    }
    const OperandRows keys{block.k, b, kv_head, key.begin, mask.key_tokens, block.head_size};
    const OperandRows values{block.v, b, kv_head, key.begin, mask.key_tokens, block.head_size};
    __syncthreads();  // the marks of the tile before have been read
    mark_rows(values, shared.key_marks);
    float scores[4][4] = {};
    add_dots(scores, queries, keys, shared, place);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      float largest = minus_infinity;
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const bool is_visible = mask.is_visible(b, query.begin + place.row(i), key.begin + place.column(j));
        const float scaled = __fmul_rn(scores[i][j], block.scale) + shared.key_marks[place.column(j)];
        scores[i][j] = is_visible ? scaled : minus_infinity;
        largest = fmaxf(largest, scores[i][j]);
      }
      const float before = maximum[i];
      maximum[i] = fmaxf(before, maximum_of_row(largest));
      // The difference first, then the factor: rounded products of 1e4 would lose what they differ by.
      const float subtracted = subtrahend_of_maximum(maximum[i]);
      const float rescale = ptx::exp2_approx((before - subtracted) * log2_e);
      float added = 0.0F;
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        scores[i][j] = ptx::exp2_approx((scores[i][j] - subtracted) * log2_e);
        added += scores[i][j];
      }
      sum[i] = fmaf(sum[i], rescale, sum_of_row(added));
#pragma unroll
      for (int group = 0; group < column_groups; ++group) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          output[group][i][j] *= rescale;
        }
      }
    }
    store_weights(scores, shared, place);
#pragma unroll
    for (int group = 0; group < column_groups; ++group) {
      add_weighted<SumOver::keys>(output[group], values, fp32_tile * group, shared, place);
    }
  }

#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int row = query.begin + place.row(i);
    if (row >= mask.query_tokens) {
      continue;
    }
    if (place.x == 0) {
      block.state.maximum.at(b, h, row) = maximum[i];
      block.state.sum.at(b, h, row) = sum[i];
    }
    const float inverse = inverse_of_sum(sum[i]);
#pragma unroll
    for (int group = 0; group < column_groups; ++group) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const int column = fp32_tile * group + place.column(j);
        if (column >= block.head_size) {
          continue;
        }
        if (block.out.is_wanted()) {
          block.out.store(b, row, h, column, output[group][i][j] * inverse);
        } else {
          block.state.output.at(b, row, h)[column] = output[group][i][j];
        }
      }
    }
  }
}

}  // namespace ringworld::cuda
