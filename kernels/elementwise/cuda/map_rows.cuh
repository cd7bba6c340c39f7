#pragma once
/// @file  The one loop of element-wise CUDA kernels.
///
/// An operation says what is done with a pack of a row:
///
///   struct Operation {
///     static constexpr int width = 8;     // elements of a pack
///     static constexpr int unroll = 2;    // packs that a thread has in flight
///     template <int Width> __device__ Operands<Width> load(std::int64_t row, std::int64_t column) const;
///     template <int Width> __device__ void finish(std::int64_t row, std::int64_t column, const Operands<Width>&) const;
///   };
///
/// All loads of a thread are issued before its first store, so results may take the place of operands.

#include <cstdint>

#include "device/cuda/launch.cuh"
#include "device/cuda/native_stream.hpp"
#include "kernels/elementwise/cuda/launch_shape.hpp"
#include "kernels/elementwise/cuda/multiprocessors.hpp"

namespace ringworld::row {

template <int Width, class Operation>
__global__ void __launch_bounds__(256) map_rows_kernel(Operation operation, std::int64_t rows, std::int64_t columns) {
  using Operands = decltype(operation.template load<Width>(rows, columns));
  constexpr int unroll = Operation::unroll;
  const std::int64_t packs = columns / Width;
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t row = blockIdx.y; row < rows; row += gridDim.y) {
    for (std::int64_t begin = first; begin < packs; begin += unroll * step) {
      Operands operands[unroll];
#pragma unroll
      for (int i = 0; i < unroll; ++i) {
        if (begin + i * step < packs) {
          operands[i] = operation.template load<Width>(row, (begin + i * step) * Width);
        }
      }
#pragma unroll
      for (int i = 0; i < unroll; ++i) {
        if (begin + i * step < packs) {
          operation.template finish<Width>(row, (begin + i * step) * Width, operands[i]);
        }
      }
    }
    if constexpr (Width > 1) {
      // What is left of the row, an element a thread.
      const std::int64_t rest = packs * Width + first;
      if (rest < columns) {
        operation.template finish<1>(row, rest, operation.template load<1>(row, rest));
      }
    }
  }
}

/// Enqueues `operation` on the packs of every row.
/// @param has_packs  the operands are aligned (aligned.hpp); else elements are moved one by one
template <class Operation>
void map_rows(const Operation& operation, std::int64_t rows, std::int64_t columns, bool has_packs) {
  const std::int64_t width = has_packs ? Operation::width : 1;
  const MapShape shape = map_shape(rows, divided_up(columns, width), Operation::unroll, multiprocessors());
  const LaunchShape launched{
      .grid = dim3(static_cast<unsigned>(shape.chunk_blocks), static_cast<unsigned>(shape.row_blocks)),
      .block = dim3(static_cast<unsigned>(shape.threads))};
  if (has_packs) {
    launch(map_rows_kernel<Operation::width, Operation>, launched, native_compute_stream(), operation, rows, columns);
  } else {
    launch(map_rows_kernel<1, Operation>, launched, native_compute_stream(), operation, rows, columns);
  }
}

}  // namespace ringworld::row
