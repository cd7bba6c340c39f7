#include "device/cuda/launch.cuh"
#include "device/cuda/native_stream.hpp"
#include "kernels/elementwise/cuda/column_sums.hpp"
#include "kernels/elementwise/cuda/launch_shape.hpp"

namespace ringworld::row {
namespace {

constexpr unsigned lanes = 32;  // columns of a block: few, because there are more multiprocessors than warps of columns
constexpr unsigned groups = 8;  // ranges that a block reads at the same time

/// Group g adds the ranges g, g + 8, ..., and one group what they found.
__global__ void __launch_bounds__(lanes* groups)
    add_partial_sums_kernel(const float* partial, std::int64_t ranges, std::int64_t columns, float* sums) {
  __shared__ double of_group[groups][lanes];
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * lanes + threadIdx.x;
  double sum = 0;
  if (column < columns) {
#pragma unroll 8
    for (std::int64_t range = threadIdx.y; range < ranges; range += groups) {
      sum += static_cast<double>(partial[range * columns + column]);
    }
  }
  of_group[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y == 0 && column < columns) {
    double total = static_cast<double>(sums[column]);
    for (unsigned group = 0; group < groups; ++group) {
      total += of_group[group][threadIdx.x];
    }
    sums[column] = static_cast<float>(total);
  }
}

}  // namespace

void add_partial_sums(const float* partial, std::int64_t ranges, std::int64_t columns, float* sums) {
  launch(add_partial_sums_kernel,
         {.grid = dim3(static_cast<unsigned>(divided_up(columns, lanes))), .block = dim3(lanes, groups)},
         native_compute_stream(), partial, ranges, columns, sums);
}

}  // namespace ringworld::row
