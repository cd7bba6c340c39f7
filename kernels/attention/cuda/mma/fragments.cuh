#pragma once
/// @file  The operands of mma.sync.m16n8k16 and the products of a warp.
/// Source: PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type" and "ldmatrix".
///
///   A (16 x 16)   lane 4g + t holds rows g, g + 8 and columns 2t, 2t + 1, 2t + 8, 2t + 9
///   B (16 x 8)    rows 2t, 2t + 1, 2t + 8, 2t + 9 of column g
///   C (16 x 8)    [0] [1] row g, columns 2t, 2t + 1;   [2] [3] row g + 8
///
/// Two neighbouring C fragments, rounded to bf16, are one A fragment: weights go from a product into the next one
/// without leaving the registers.

#include <cuda_runtime.h>

#include <cstdint>

#include "device/cuda/ptx/math.cuh"
#include "device/cuda/ptx/matrix_copy.cuh"
#include "device/cuda/ptx/mma.cuh"
#include "kernels/attention/cuda/mma/shared_tile.cuh"

namespace ringworld::cuda {

/// 16 x 16 elements of A.
struct FragmentA {
  std::uint32_t words[4];
};

/// 16 x 16 elements of B: two fragments, of columns 0 to 7 and 8 to 15.
struct FragmentB {
  std::uint32_t words[4];
};

/// 16 x 8 sums.
struct Accumulator {
  float values[4];
};

/// The lane's place in a fragment.
struct LanePlace {
  int lane = static_cast<int>(threadIdx.x) % 32;
  int group = lane / 4;   ///< g
  int thread = lane % 4;  ///< t
};

/// A from a tile with the rows of A, B from one with the columns of B as its rows (scores from rows of keys), and both from
/// tiles that hold them transposed (outputs from rows of values).
template <int columns>
using AddressA = LaneAddress<columns, MatrixOrder::down_first>;
template <int columns>
using AddressB = LaneAddress<columns, MatrixOrder::right_first>;
template <int columns>
using AddressTransposedA = LaneAddress<columns, MatrixOrder::right_first>;
template <int columns>
using AddressTransposedB = LaneAddress<columns, MatrixOrder::down_first>;

__device__ inline FragmentA load_a(ptx::SharedAddress address) {
  FragmentA a;
  ptx::load_matrices(a.words, address);
  return a;
}
__device__ inline FragmentB load_b(ptx::SharedAddress address) {
  FragmentB b;
  ptx::load_matrices(b.words, address);
  return b;
}
__device__ inline FragmentA load_a_transposed(ptx::SharedAddress address) {
  FragmentA a;
  ptx::load_matrices_transposed(a.words, address);
  return a;
}
__device__ inline FragmentB load_b_transposed(ptx::SharedAddress address) {
  FragmentB b;
  ptx::load_matrices_transposed(b.words, address);
  return b;
}

/// left += A B[:, 0:8], right += A B[:, 8:16].
__device__ inline void multiply_add(Accumulator& left, Accumulator& right, const FragmentA& a, const FragmentB& b) {
  ptx::mma_m16n8k16_bf16(left.values, a.words, b.words[0], b.words[1]);
  ptx::mma_m16n8k16_bf16(right.values, a.words, b.words[2], b.words[3]);
}

/// The sums of 16 columns as the A of a product over them.
__device__ inline FragmentA rounded_to_a(const Accumulator& left, const Accumulator& right) {
  return {{ptx::pack_bf16(left.values[0], left.values[1]), ptx::pack_bf16(left.values[2], left.values[3]),
           ptx::pack_bf16(right.values[0], right.values[1]), ptx::pack_bf16(right.values[2], right.values[3])}};
}

/// Over the four lanes that share the rows of C; called by whole warps.
__device__ inline float maximum_of_quad(float value) {
  value = fmaxf(value, __shfl_xor_sync(0xffffffffU, value, 1));
  return fmaxf(value, __shfl_xor_sync(0xffffffffU, value, 2));
}
__device__ inline float sum_of_quad(float value) {
  value += __shfl_xor_sync(0xffffffffU, value, 1);
  return value + __shfl_xor_sync(0xffffffffU, value, 2);
}

}  // namespace ringworld::cuda
