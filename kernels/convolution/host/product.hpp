#pragma once
/// @file  The one inner operation of the host's convolutions, compiled once an instruction set and chosen at run time:
/// a matrix product whose depth (the index that it sums over) runs over lines of steps.
///
///   depth   | line 0: step 0, 1, ... | line 1: step 0, 1, ... |       forward: a line is a row of taps, a step one
///   a, b        + step stride           + line stride                 channel of one of them; backward by the weight:
///                                                                     a line is a row of pixels, a step a pixel

#include <cstdint>

#include "core/isa.hpp"

namespace ringworld::host_convolution {

/// Columns of a product are a multiple of this: the floats of the widest register.
inline constexpr std::int64_t lane_padding = 16;

/// C (rows, columns) = A B, or C + A B when accumulating.
struct LineProduct {
  std::int64_t rows = 0;
  std::int64_t columns = 0;  ///< a multiple of lane_padding
  std::int64_t lines = 0;
  std::int64_t steps = 0;
  const float* a = nullptr;
  std::int64_t a_row_stride = 0;
  std::int64_t a_step_stride = 0;
  std::int64_t a_line_stride = 0;
  const float* b = nullptr;  ///< columns are dense
  std::int64_t b_step_stride = 0;
  std::int64_t b_line_stride = 0;
  float* c = nullptr;
  std::int64_t c_row_stride = 0;
  bool is_accumulating = false;
};

using Multiply = void (*)(const LineProduct&);

/// An element of C is summed in the order of lines and steps, wherever in C it lies.
[[nodiscard]] Multiply multiply_of(Isa isa);

void multiply_portable(const LineProduct& product);
void multiply_avx2(const LineProduct& product);
void multiply_avx512(const LineProduct& product);

}  // namespace ringworld::host_convolution
