#pragma once
/// @file  The products of a warpgroup over whole tiles: each is one commit group, started and not waited for.
/// Between start and wait the sums, and operands in registers, belong to the tensor cores.

#include <cstdint>

#include "device/cuda/ptx/wgmma.cuh"
#include "kernels/attention/cuda/hopper/swizzled_tile.cuh"

namespace ringworld::cuda::hopper {

/// sums (64 x N) = left rows `row` to `row` + 63 times the N rows of `right`, over all `Columns`: queries by keys.
template <int N, int LeftRows, int Columns>
__device__ void start_product_of_rows(float (&sums)[N / 2], SwizzledTile<LeftRows, Columns> left, int row,
                                      SwizzledTile<N, Columns> right) {
  ptx::hold_registers(sums);
  ptx::fence_wgmma();
#pragma unroll
  for (int column = 0; column < Columns; column += 16) {
    ptx::wgmma<N, ptx::Major::k, ptx::Major::k>(sums, left.sum_over_columns(row, column),
                                                right.sum_over_columns(0, column), column > 0);
  }
  ptx::commit_wgmma();
}

/// sums (64 x N) += weights (64 x Rows, in registers) times the Rows x N of `right`: weights by values.
template <int N, int Rows>
__device__ void start_weighted_sum(float (&sums)[N / 2], std::uint32_t (&weights)[Rows / 16][4],
                                   SwizzledTile<Rows, N> right) {
  ptx::hold_registers(sums);
  ptx::hold_registers(weights);
  ptx::fence_wgmma();
#pragma unroll
  for (int step = 0; step < Rows / 16; ++step) {
    ptx::wgmma<N, ptx::Major::mn>(sums, weights[step], right.sum_over_rows(16 * step, 0), true);
  }
  ptx::commit_wgmma();
}

/// sums (64 x N) = transposed columns `left_column` to `left_column` + 63 of `left` times columns `right_column` to
/// `right_column` + N - 1 of `right`, over all Rows.
template <int N, int Rows, int LeftColumns, int RightColumns>
__device__ void start_product_of_columns(float (&sums)[N / 2], SwizzledTile<Rows, LeftColumns> left, int left_column,
                                         SwizzledTile<Rows, RightColumns> right, int right_column) {
  ptx::hold_registers(sums);
  ptx::fence_wgmma();
#pragma unroll
  for (int row = 0; row < Rows; row += 16) {
    ptx::wgmma<N, ptx::Major::mn, ptx::Major::mn>(sums, left.sum_over_rows(row, left_column),
                                                  right.sum_over_rows(row, right_column), row > 0);
  }
  ptx::commit_wgmma();
}

/// Waits until at most `pending` younger groups run, and takes `sums` of an older one back.
template <int pending, int N>
__device__ void finish_product(float (&sums)[N]) {
  ptx::wait_wgmma<pending>();
  ptx::hold_registers(sums);
}

}  // namespace ringworld::cuda::hopper
