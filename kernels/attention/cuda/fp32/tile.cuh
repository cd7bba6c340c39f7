#pragma once
/// @file  Tiles of 64 queries times 64 keys in fp32 FMA: who computes what, and the products of the passes.
///
/// 256 threads form a square; thread (x, y) has rows y + 16 i and columns x + 16 j of a tile, i, j < 4. All lanes of half a
/// warp read the same element of a row, and neighbours in x neighbouring elements: no bank is asked twice. Operands come
/// through shared memory in slabs of 2048 elements, so that no head size needs more than 33 KiB of it.

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/attention/cuda/fp32/any_vectors.cuh"
#include "kernels/attention/cuda/softmax.cuh"

namespace ringworld::cuda {

inline constexpr int fp32_threads = 256;
inline constexpr int fp32_tile = 64;          ///< queries and keys of a tile
inline constexpr int fp32_slab_columns = 32;  ///< of a slab of 64 rows
inline constexpr int fp32_slab_rows = 32;     ///< of a slab of 64 columns

/// The tokens of one sequence and head that are the rows of an operand.
struct OperandRows {
  const AnyVectors& vectors;
  int batch;
  int head;
  int begin;  ///< the first token
  int end;    ///< tokens from this one on read as zeros
  int head_size;

  __device__ float at(int row, int column) const {
    return begin + row < end && column < head_size ? vectors.load(batch, begin + row, head, column) : 0.0F;
  }
  /// 0 in place of NaN and infinity, which a sum over rows would carry, as 0 * NaN, to tokens that do not see the row. The
  /// row's mark tells those that do.
  __device__ float finite_at(int row, int column) const {
    const float element = at(row, column);
    return is_finite(element) ? element : 0.0F;
  }
  /// Neither NaN nor infinite.
  __device__ static bool is_finite(float x) { return x > minus_infinity && x < -minus_infinity; }
};

/// Shared memory of a block.
struct Fp32Shared {
  float left[fp32_tile][fp32_slab_columns + 1];   ///< a slab of rows; one element more puts columns in different banks
  float right[fp32_tile][fp32_slab_columns + 1];  ///< a slab of rows of the other operand
  float weights[fp32_tile][fp32_tile + 1];        ///< a row a query
  float query_marks[2][fp32_tile];                ///< of q and dout: NaN where finite_at has hidden something, else 0
  float key_marks[fp32_tile];                     ///< of what is summed over keys

  /// The right slab as 32 rows of 64 columns, for sums over its rows.
  __device__ float& right_row(int row, int column) { return (&right[0][0])[row * fp32_tile + column]; }
};

struct ThreadPlace {
  int x = static_cast<int>(threadIdx.x) % 16;
  int y = static_cast<int>(threadIdx.x) / 16;

  __device__ int row(int i) const { return y + 16 * i; }
  __device__ int column(int j) const { return x + 16 * j; }
};

/// Marks the rows of an operand that are not finite. Called by all threads; a barrier makes the marks visible.
__device__ inline void mark_rows(const OperandRows& rows, float (&marks)[fp32_tile]) {
  constexpr int threads_of_a_row = fp32_threads / fp32_tile;
  const int row = static_cast<int>(threadIdx.x) / threads_of_a_row;
  int strays = 0;
  for (int column = static_cast<int>(threadIdx.x) % threads_of_a_row; column < rows.head_size;
       column += threads_of_a_row) {
    strays |= OperandRows::is_finite(rows.at(row, column)) ? 0 : 1;
  }
  for (int distance = threads_of_a_row / 2; distance > 0; distance /= 2) {
    strays |= __shfl_xor_sync(0xffffffffU, strays, distance);
  }
  if (static_cast<int>(threadIdx.x) % threads_of_a_row == 0) {
    marks[row] = strays != 0 ? __builtin_nanf("") : 0.0F;
  }
}

/// sums[i][j] += dot of row y + 16 i of `left` and row x + 16 j of `right`. Called by all threads.
__device__ inline void add_dots(float (&sums)[4][4], const OperandRows& left, const OperandRows& right,
                                Fp32Shared& shared, const ThreadPlace& place) {
  for (int first = 0; first < left.head_size; first += fp32_slab_columns) {
    __syncthreads();
    for (int index = static_cast<int>(threadIdx.x); index < fp32_tile * fp32_slab_columns; index += fp32_threads) {
      const int row = index / fp32_slab_columns;
      const int column = index % fp32_slab_columns;
      shared.left[row][column] = left.at(row, first + column);
      shared.right[row][column] = right.at(row, first + column);
    }
    __syncthreads();
#pragma unroll 8
    for (int d = 0; d < fp32_slab_columns; ++d) {
      float rows[4];
      float columns[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        rows[i] = shared.left[place.row(i)][d];
        columns[i] = shared.right[place.column(i)][d];
      }
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          sums[i][j] = fmaf(rows[i], columns[j], sums[i][j]);
        }
      }
    }
  }
}

/// Whether weights are summed over keys (output, dq) or over queries (dk, dv).
enum class SumOver : std::uint8_t { keys, queries };

/// sums[i][j] += sum over 64 tokens of a weight times their element `first_column` + x + 16 j. Row y + 16 i of the sums is
/// a query when they run over keys, and a key when they run over queries. Called by all threads.
template <SumOver side>
__device__ void add_weighted(float (&sums)[4][4], const OperandRows& tokens, int first_column, Fp32Shared& shared,
                             const ThreadPlace& place) {
  for (int first = 0; first < fp32_tile; first += fp32_slab_rows) {
    __syncthreads();
    for (int index = static_cast<int>(threadIdx.x); index < fp32_slab_rows * fp32_tile; index += fp32_threads) {
      const int row = index / fp32_tile;
      const int column = index % fp32_tile;
      shared.right_row(row, column) = tokens.finite_at(first + row, first_column + column);
    }
    __syncthreads();
#pragma unroll 8
    for (int token = 0; token < fp32_slab_rows; ++token) {
      float weights[4];
      float elements[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        weights[i] = side == SumOver::keys ? shared.weights[place.row(i)][first + token]
                                           : shared.weights[first + token][place.row(i)];
        elements[i] = shared.right_row(token, place.column(i));
      }
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          sums[i][j] = fmaf(weights[i], elements[j], sums[i][j]);
        }
      }
    }
  }
}

/// Writes a thread's weights, a row a query. The barriers of the product that follows make them visible.
/// @pre a barrier since the last product with weights
__device__ inline void store_weights(const float (&weights)[4][4], Fp32Shared& shared, const ThreadPlace& place) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      shared.weights[place.row(i)][place.column(j)] = weights[i][j];
    }
  }
}

}  // namespace ringworld::cuda
