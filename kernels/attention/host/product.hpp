#pragma once
/// @file  Products of packed tiles, a block of C in registers at a time.
///
///            b (k, Columns registers)              each word of k: Columns loads of b, Rows broadcasts of a,
///            | | | |                               Rows * Columns multiply-adds
///   a (Rows) - C C C C
///            - C C C C
///
/// The sums start from zero and are added to C once: a sum over a long sequence is then one of tile sums, and rounds a
/// tenth as much as one long chain.

#include "kernels/attention/host/tile_kernels.hpp"

namespace ringworld::host_attention {
namespace {

template <class W, int Rows, int Columns>
void multiply_block(const TileProduct& product, const Word* a, const Word* b, float* c) {
  using Float = typename W::Float;
  Float sums[Rows][Columns] = {};
  const std::int64_t a_row_stride = product.a_row_stride;
  const std::int64_t a_depth_stride = product.a_depth_stride;
  const std::int64_t b_leading = product.b_leading;
  for (std::int64_t depth = 0; depth < product.k; ++depth) {
    typename W::Words right[Columns];
#pragma GCC unroll 4
    for (int column = 0; column < Columns; ++column) {
      right[column] = W::load_words(b + column * W::lanes);
    }
#pragma GCC unroll 16
    for (int row = 0; row < Rows; ++row) {
      const typename W::Words left = W::broadcast(a + row * a_row_stride);
#pragma GCC unroll 4
      for (int column = 0; column < Columns; ++column) {
        W::multiply_add(sums[row][column], left, right[column]);
      }
    }
    a += a_depth_stride;
    b += b_leading;
  }
#pragma GCC unroll 16
  for (int row = 0; row < Rows; ++row) {
#pragma GCC unroll 4
    for (int column = 0; column < Columns; ++column) {
      float* target = c + row * product.c_leading + column * W::lanes;
      W::store(target, product.accumulate ? W::load(target) + sums[row][column] : sums[row][column] * product.scale);
    }
  }
}

/// The rows that are left when `Rows` at a time do not divide m, in one block.
template <class W, int Rows, int Columns>
void multiply_last_rows(const TileProduct& product, std::int64_t row, const Word* b, float* c) {
  if constexpr (Rows > 0) {
    if (product.m - row == Rows) {
      multiply_block<W, Rows, Columns>(product, product.a + row * product.a_row_stride, b, c + row * product.c_leading);
    } else {
      multiply_last_rows<W, Rows - 1, Columns>(product, row, b, c);
    }
  }
}

/// As many rows of C as fit into `Registers` registers of sums.
template <class W, int Registers, int Columns>
void multiply_panel(const TileProduct& product, std::int64_t column) {
  constexpr int fitting = Registers / Columns;
  constexpr int rows = fitting < 12 ? fitting : 12;
  const Word* b = product.b + column;
  float* c = product.c + column;
  std::int64_t row = 0;
  for (; row + rows <= product.m; row += rows) {
    multiply_block<W, rows, Columns>(product, product.a + row * product.a_row_stride, b, c + row * product.c_leading);
  }
  multiply_last_rows<W, rows - 1, Columns>(product, row, b, c);
}

/// Columns of C panel by panel, so that a panel of b stays in the first-level cache while a streams.
template <class W, int Registers, int Columns>
void multiply_columns(const TileProduct& product, std::int64_t column) {
  constexpr std::int64_t width = Columns * W::lanes;
  for (; column + width <= product.n; column += width) {
    multiply_panel<W, Registers, Columns>(product, column);
  }
  if constexpr (Columns > 1) {
    if (column < product.n) {
      multiply_columns<W, Registers, Columns - 1>(product, column);
    }
  }
}

template <class W, int Registers, int Columns>
void multiply(const TileProduct& product) {
  multiply_columns<W, Registers, Columns>(product, 0);
}

}  // namespace
}  // namespace ringworld::host_attention
