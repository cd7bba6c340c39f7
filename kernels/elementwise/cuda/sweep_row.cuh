#pragma once
/// @file  A row of floats of any length, read by one block.

#include <cstdint>

#include "kernels/elementwise/cuda/pack.cuh"

namespace ringworld::row {

/// Calls `body(column, numbers)` for the packs of a row, which the threads of the block take in turn; `numbers` are
/// Floats<Width>, at the end of a row that does not divide by Width also Floats<1>. A thread's loads are `Unroll` packs
/// ahead of its calls, so `body` may overwrite what it was given.
template <int Width, int Unroll, class Body>
__device__ __forceinline__ void sweep_row(const float* row, std::int64_t columns, const Body& body) {
  const std::int64_t packs = columns / Width;
  const std::int64_t step = blockDim.x;
  for (std::int64_t begin = threadIdx.x; begin < packs; begin += Unroll * step) {
    Pack<float, Width> loaded[Unroll];
#pragma unroll
    for (int i = 0; i < Unroll; ++i) {
      if (begin + i * step < packs) {
        loaded[i] = load<Width>(row + (begin + i * step) * Width);
      }
    }
#pragma unroll
    for (int i = 0; i < Unroll; ++i) {
      if (begin + i * step < packs) {
        body((begin + i * step) * Width, widened(loaded[i]));
      }
    }
  }
  if constexpr (Width > 1) {
    const std::int64_t rest = packs * Width + threadIdx.x;
    if (rest < columns) {
      body(rest, load_floats<1>(row + rest));
    }
  }
}

}  // namespace ringworld::row
