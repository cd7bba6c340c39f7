#pragma once
/// @file  The products of a few rows as templates over the register (`Simd`), included by one source file an instruction
/// set.

#include "kernels/elementwise/row_products.hpp"
#include "kernels/elementwise/sweep.hpp"

namespace ringworld::row {
namespace {

/// Rows of a that a row of b meets while it is in registers.
constexpr int rows_at_once = 4;

/// Calls `body(std::integral_constant<int, Rows>, first)` for `rows_at_once` rows of a at a time, and the rest in one.
template <int Rows = rows_at_once, class Body>
void for_each_rows(std::int64_t m, std::int64_t first, const Body& body) {
  for (; first + Rows <= m; first += Rows) {
    body(std::integral_constant<int, Rows>(), first);
  }
  if constexpr (Rows > 1) {
    for_each_rows<Rows - 1>(m, first, body);
  }
}

/// Sums of the lanes of `Count` registers, in the lanes of the first: neighbours are added, and what is left of them.
template <class S, int Count = S::lanes>
void fold_lanes(typename S::Float* registers) {
  if constexpr (Count > 1) {
    for (int i = 0; i < Count / 2; ++i) {
      const auto a = registers[2 * i];
      const auto b = registers[2 * i + 1];
      registers[i] = S::template every_other<0>(a, b) + S::template every_other<1>(a, b);
    }
    fold_lanes<S, Count / 2>(registers);
  }
}

/// The products of one row of b with `Rows` rows of a, each still spread over the lanes of a register.
/// @param sums  every `lanes`-th register from here on is overwritten
template <class S, int Rows, class T>
void multiply_row(const RowsProduct<T>& product, const float* a, const T* b, typename S::Float* sums) {
  using Float = typename S::Float;
  Float slot_sums[Rows][slots] = {};
  sweep<S>(product.k, [&](auto block) {
    const Float right = block.load(b);
    for (int row = 0; row < Rows; ++row) {
      slot_sums[row][block.slot] += block.load(a + row * product.a_leading) * right;
    }
  });
  for (int row = 0; row < Rows; ++row) {
    sums[row * S::lanes] = (slot_sums[row][0] + slot_sums[row][1]) + (slot_sums[row][2] + slot_sums[row][3]);
  }
}

/// As many rows of b as a register has lanes, so that their sums are folded together and stored at once.
template <class S, class T>
void dot_products(const RowsProduct<T>& product) {
  using Float = typename S::Float;
  for (std::int64_t begin = 0; begin < product.n; begin += S::lanes) {
    const std::int64_t count = product.n - begin < S::lanes ? product.n - begin : S::lanes;
    for_each_rows(product.m, 0, [&](auto rows, std::int64_t first) {
      constexpr int row_count = decltype(rows)::value;
      Float sums[row_count * S::lanes] = {};  // (rows, lanes): of row of a and row of b
      for (std::int64_t j = 0; j < count; ++j) {
        multiply_row<S, row_count>(product, product.a + first * product.a_leading,
                                   product.b + (begin + j) * product.b_leading, sums + j);
      }
      for (int row = 0; row < row_count; ++row) {
        fold_lanes<S>(sums + row * S::lanes);
        float* c = product.c + (first + row) * product.c_leading + begin;
        if (count == S::lanes) {
          S::store(c, sums[row * S::lanes] * product.scale);
        } else {
          S::store_part(c, count, sums[row * S::lanes] * product.scale);
        }
      }
    });
  }
}

/// `Columns` registers of columns of `Rows` rows: sums stay in registers while the rows of b stream.
template <class S, int Rows, int Columns, class T>
void add_weighted_rows(const RowsProduct<T>& product, std::int64_t first, std::int64_t column) {
  using Float = typename S::Float;
  Float sums[Rows][Columns] = {};
  const float* a = product.a + first * product.a_leading;
  const T* b = product.b + column;
  for (std::int64_t depth = 0; depth < product.k; ++depth, b += product.b_leading) {
    Float right[Columns];
#pragma GCC unroll 4
    for (int at = 0; at < Columns; ++at) {
      right[at] = S::load(b + at * S::lanes);
    }
#pragma GCC unroll 4
    for (int row = 0; row < Rows; ++row) {
      const Float left = S::set(a[row * product.a_leading + depth]);
#pragma GCC unroll 4
      for (int at = 0; at < Columns; ++at) {
        sums[row][at] += left * right[at];
      }
    }
  }
  for (int row = 0; row < Rows; ++row) {
    for (int at = 0; at < Columns; ++at) {
      float* c = product.c + (first + row) * product.c_leading + column + at * S::lanes;
      S::store(c, S::load(c) + sums[row][at]);
    }
  }
}

/// The columns that do not fill a register.
template <class S, class T>
void add_last_columns(const RowsProduct<T>& product, std::int64_t column) {
  using Float = typename S::Float;
  const std::int64_t count = product.n - column;
  for (std::int64_t row = 0; row < product.m; ++row) {
    Float sum{};
    for (std::int64_t depth = 0; depth < product.k; ++depth) {
      sum += S::load_part(product.b + depth * product.b_leading + column, count, 0) *
             product.a[row * product.a_leading + depth];
    }
    float* c = product.c + row * product.c_leading + column;
    S::store_part(c, count, S::load_part(c, count, 0) + sum);
  }
}

template <class S, int Columns = 4, class T>
void add_weighted_columns(const RowsProduct<T>& product, std::int64_t column) {
  for (; column + Columns * S::lanes <= product.n; column += Columns * S::lanes) {
    for_each_rows(product.m, 0, [&](auto rows, std::int64_t first) {
      add_weighted_rows<S, decltype(rows)::value, Columns>(product, first, column);
    });
  }
  if constexpr (Columns > 1) {
    add_weighted_columns<S, Columns / 2>(product, column);
  } else if (column < product.n) {
    add_last_columns<S>(product, column);
  }
}

template <class S, class T>
void weighted_sums(const RowsProduct<T>& product) {
  add_weighted_columns<S>(product, 0);
}

}  // namespace
}  // namespace ringworld::row
