#pragma once
/// @file  One value out of those of all threads of a block, in an order that depends on the number of threads alone.

#include <cstdint>

namespace ringworld::row {

/// Room for the values of a block's warps. Two sides take turns, so that one barrier a reduction is enough: who writes
/// a side again has passed the barrier of the other, and so have all who read it.
template <class T>
struct BlockScratch {
  T values[2][32];
};

__device__ __forceinline__ float shuffled(float value, int distance) {
  return __shfl_xor_sync(0xffffffffU, value, distance);
}
__device__ __forceinline__ double shuffled(double value, int distance) {
  return __shfl_xor_sync(0xffffffffU, value, distance);
}
__device__ __forceinline__ int shuffled(int value, int distance) {
  return __shfl_xor_sync(0xffffffffU, value, distance);
}

/// Two sums that are taken together.
struct SumPair {
  double first;
  double second;
  friend __device__ __forceinline__ SumPair operator+(const SumPair& a, const SumPair& b) {
    return {a.first + b.first, a.second + b.second};
  }
};
__device__ __forceinline__ SumPair shuffled(const SumPair& value, int distance) {
  return {shuffled(value.first, distance), shuffled(value.second, distance)};
}

template <class T, class Combine>
__device__ __forceinline__ T warp_reduce(T value, Combine combine) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) {
    value = combine(value, shuffled(value, distance));
  }
  return value;
}

/// Reduces over a one-dimensional block of whole warps; every thread gets the result.
/// @param combine commutative and associative but for rounding     @param nothing its neutral element
/// @param side 0 and 1 in turn
template <class T, class Combine>
__device__ __forceinline__ T block_reduce(T value, const T& nothing, Combine combine, BlockScratch<T>& scratch,
                                          int side) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int warp = static_cast<int>(threadIdx.x / 32);
  const int warps = static_cast<int>(blockDim.x / 32);
  value = warp_reduce(value, combine);
  if (lane == 0) {
    scratch.values[side][warp] = value;
  }
  __syncthreads();
  return warp_reduce(lane < warps ? scratch.values[side][lane] : nothing, combine);
}

struct Sum {
  template <class T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a + b;
  }
};

}  // namespace ringworld::row
