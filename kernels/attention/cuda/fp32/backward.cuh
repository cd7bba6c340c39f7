#pragma once
/// @file  Backward pass of a block in fp32, for any mix of types. One block of threads has 64 keys of one key/value head
/// and walks over the queries of the heads that read it, as the mma kernel does (mma/backward.cuh): dk and dv are sums in
/// registers, dq is added to by atomics.

#include "kernels/attention/cuda/fp32/tile.cuh"
#include "kernels/attention/cuda/gate.cuh"
#include "kernels/attention/cuda/softmax.cuh"
#include "kernels/attention/cuda/tile_mask.cuh"

namespace ringworld::cuda {

struct Fp32BackwardArguments {
  AnyVectors q;
  AnyVectors k;
  AnyVectors v;
  AnyVectors dout;
  RowNumbers<const float> maximum;
  RowNumbers<const float> sum;
  RowNumbers<const float> delta;
  HeadVectors<float> dq;
  HeadVectors<float> dk;
  HeadVectors<float> dv;
  TileMask mask;
  Gate gate;
  float scale;
  int head_size;
  int heads_per_kv_head;
};

/// gradient += scale * sums for the keys that exist.
template <int column_groups>
__device__ void add_to_keys(const HeadVectors<float>& gradient, const float (&sums)[column_groups][4][4], float scale,
                            const OperandRows& keys, const ThreadPlace& place) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int key = keys.begin + place.row(i);
    if (key >= keys.end) {
      continue;
    }
    float* row = gradient.at(keys.batch, key, keys.head);
#pragma unroll
    for (int group = 0; group < column_groups; ++group) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const int column = fp32_tile * group + place.column(j);
        if (column < keys.head_size) {
          row[column] += scale * sums[group][i][j];
        }
      }
    }
  }
}

/// dq += scale dS K for one query tile; the weights in shared memory are dS.
template <int column_groups>
__device__ void add_to_queries(const HeadVectors<float>& dq, float scale, const OperandRows& queries,
                               const OperandRows& keys, Fp32Shared& shared, const ThreadPlace& place) {
  for (int group = 0; group < column_groups; ++group) {
    float sums[4][4] = {};
    add_weighted<SumOver::keys>(sums, keys, fp32_tile * group, shared, place);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int query = queries.begin + place.row(i);
      if (query >= queries.end) {
        continue;
      }
      float* row = dq.at(queries.batch, query, queries.head);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const int column = fp32_tile * group + place.column(j);
        if (column < queries.head_size) {
          atomicAdd(row + column, scale * sums[i][j]);
        }
      }
    }
  }
}

/// Grid: key tiles, key/value heads, batch. @tparam column_groups  of 64 columns that hold the head size
template <int column_groups>
__global__ void __launch_bounds__(fp32_threads)
    fp32_backward_kernel(const __grid_constant__ Fp32BackwardArguments block) {
  __shared__ Fp32Shared shared;
  if (block.gate.is_closed()) {
    return;
  }
  const ThreadPlace place;
  const int b = static_cast<int>(blockIdx.z);
  const int kv_head = static_cast<int>(blockIdx.y);
  const TileMask& mask = block.mask;
  const int first_key = static_cast<int>(blockIdx.x) * fp32_tile;
  const TokenRange key{first_key, first_key + fp32_tile};
  const DocumentRange key_documents = mask.key_documents(b, key);
  const OperandRows keys{block.k, b, kv_head, key.begin, mask.key_tokens, block.head_size};
  const OperandRows values{block.v, b, kv_head, key.begin, mask.key_tokens, block.head_size};
  const int first_query_begin = max(0, first_key - mask.diagonal) / fp32_tile * fp32_tile;

  mark_rows(keys, shared.key_marks);
  float dk[column_groups][4][4] = {};
  float dv[column_groups][4][4] = {};
  for (int h = kv_head * block.heads_per_kv_head; h < (kv_head + 1) * block.heads_per_kv_head; ++h) {
    for (int first_query = first_query_begin; first_query < mask.query_tokens; first_query += fp32_tile) {
      const TokenRange query{first_query, first_query + fp32_tile};
      if (mask.cover(query, mask.query_documents(b, query), key, key_documents) == Cover::none) {
        continue;
      }
      const OperandRows queries{block.q, b, h, query.begin, mask.query_tokens, block.head_size};
      const OperandRows gradients{block.dout, b, h, query.begin, mask.query_tokens, block.head_size};

      __syncthreads();  // the marks of the tile before have been read
      mark_rows(queries, shared.query_marks[0]);
      mark_rows(gradients, shared.query_marks[1]);
      float weights[4][4] = {};
      add_dots(weights, queries, keys, shared, place);
      float products[4][4] = {};
      add_dots(products, gradients, values, shared, place);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int row = query.begin + place.row(i);
        const bool exists = row < mask.query_tokens;
        const float sum = exists ? block.sum.at(b, h, row) : 0.0F;
        const RowSoftmax softmax = row_softmax(exists ? block.maximum.at(b, h, row) : 0.0F, sum);
        const float delta = exists ? block.delta.at(b, h, row) : 0.0F;
        const float query_mark = shared.query_marks[0][place.row(i)] + shared.query_marks[1][place.row(i)];
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          // A row that has seen no key in the whole sequence has no weights, whatever its scores here are.
          const bool has_weight = sum != 0.0F && mask.is_visible(b, row, key.begin + place.column(j));
          const float excess = excess_of(weights[i][j], block.scale, softmax.maximum);
          const float mark = query_mark + shared.key_marks[place.column(j)];
          const float weight = excess > largest_score_excess ? __builtin_nanf("") : weight_of(excess, softmax.log2_sum);
          weights[i][j] = has_weight ? weight + mark : 0.0F;
          products[i][j] = has_weight ? weights[i][j] * (products[i][j] - delta) : 0.0F;
        }
      }
      store_weights(weights, shared, place);
#pragma unroll
      for (int group = 0; group < column_groups; ++group) {
        add_weighted<SumOver::queries>(dv[group], gradients, fp32_tile * group, shared, place);
      }
      __syncthreads();
      store_weights(products, shared, place);
#pragma unroll
      for (int group = 0; group < column_groups; ++group) {
        add_weighted<SumOver::queries>(dk[group], queries, fp32_tile * group, shared, place);
      }
      add_to_queries<column_groups>(block.dq, block.scale, queries, keys, shared, place);
    }
  }
  add_to_keys<column_groups>(block.dk, dk, block.scale, keys, place);
  add_to_keys<column_groups>(block.dv, dv, 1.0F, keys, place);
}

}  // namespace ringworld::cuda
