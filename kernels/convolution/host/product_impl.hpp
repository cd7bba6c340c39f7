#pragma once
/// @file  The product over one kind of register, a block of C in registers at a time.
///
///            b (Columns registers)          each step: Columns loads of b, Rows broadcasts of a,
///            | | | |                        Rows * Columns multiply-adds
///   a (Rows) - C C C C
///            - C C C C
///
/// The sums start from zero and are added to C once, so that a long sum is one of short sums and rounds less.

#include "kernels/convolution/host/product.hpp"
#include "kernels/elementwise/simd.hpp"

namespace ringworld::host_convolution {
namespace {

/// @tparam RowStride  a_row_stride, so that the rows of A need no address registers of their own; 0: any
template <class S, int Rows, int Columns, int RowStride = 0>
void multiply_block(const LineProduct& product, const float* a_line, const float* b_line, float* c) {
  using Float = typename S::Float;
  Float sums[Rows][Columns] = {};
  const std::int64_t a_row_stride = RowStride == 0 ? product.a_row_stride : RowStride;
  const std::int64_t a_step_stride = product.a_step_stride;
  const std::int64_t b_step_stride = product.b_step_stride;
  for (std::int64_t line = 0; line < product.lines; ++line) {
    const float* a = a_line;
    const float* b = b_line;
    for (std::int64_t step = 0; step < product.steps; ++step) {
      Float right[Columns];
#pragma GCC unroll 4
      for (int column = 0; column < Columns; ++column) {
        right[column] = S::load(b + column * S::lanes);
      }
#pragma GCC unroll 16
      for (int row = 0; row < Rows; ++row) {
        const Float left = S::set(a[row * a_row_stride]);
#pragma GCC unroll 4
        for (int column = 0; column < Columns; ++column) {
          sums[row][column] += left * right[column];
        }
      }
      a += a_step_stride;
      b += b_step_stride;
    }
    a_line += product.a_line_stride;
    b_line += product.b_line_stride;
  }
#pragma GCC unroll 16
  for (int row = 0; row < Rows; ++row) {
#pragma GCC unroll 4
    for (int column = 0; column < Columns; ++column) {
      float* target = c + row * product.c_row_stride + column * S::lanes;
      S::store(target, product.is_accumulating ? S::load(target) + sums[row][column] : sums[row][column]);
    }
  }
}

/// The rows that are left when `Rows` at a time do not divide them, in one block.
template <class S, int Rows, int Columns>
void multiply_last_rows(const LineProduct& product, std::int64_t row, std::int64_t column) {
  if constexpr (Rows > 0) {
    if (product.rows - row == Rows) {
      multiply_block<S, Rows, Columns>(product, product.a + row * product.a_row_stride, product.b + column,
                                       product.c + row * product.c_row_stride + column);
    } else {
      multiply_last_rows<S, Rows - 1, Columns>(product, row, column);
    }
  }
}

using MultiplyBlock = void (*)(const LineProduct& product, const float* a_line, const float* b_line, float* c);

template <class S, int Rows, int Columns>
MultiplyBlock block_of_stride(std::int64_t a_row_stride) {
  switch (a_row_stride) {
    case 1:
      return multiply_block<S, Rows, Columns, 1>;
    case 16:
      return multiply_block<S, Rows, Columns, 16>;
    case 32:
      return multiply_block<S, Rows, Columns, 32>;
    case 64:
      return multiply_block<S, Rows, Columns, 64>;
    default:
      return multiply_block<S, Rows, Columns>;
  }
}

/// As many rows of C at a time as fit into `Registers` registers of sums.
template <class S, int Registers, int Columns>
void multiply_panel(const LineProduct& product, std::int64_t column) {
  constexpr int fitting = Registers / Columns;
  constexpr int rows = fitting < 16 ? fitting : 16;
  const MultiplyBlock block = block_of_stride<S, rows, Columns>(product.a_row_stride);
  std::int64_t row = 0;
  for (; row + rows <= product.rows; row += rows) {
    block(product, product.a + row * product.a_row_stride, product.b + column,
          product.c + row * product.c_row_stride + column);
  }
  multiply_last_rows<S, rows - 1, Columns>(product, row, column);
}

template <class S, int Registers, int Columns>
void multiply(const LineProduct& product, std::int64_t column = 0) {
  constexpr std::int64_t width = Columns * S::lanes;
  for (; column + width <= product.columns; column += width) {
    multiply_panel<S, Registers, Columns>(product, column);
  }
  if constexpr (Columns > 1) {
    if (column < product.columns) {
      multiply<S, Registers, Columns - 1>(product, column);
    }
  }
}

}  // namespace
}  // namespace ringworld::host_convolution
