#pragma once
/// @file  Packing: strided activations to matrices of words.

#include "core/bf16.hpp"
#include "kernels/attention/host/tile_kernels.hpp"
#include "kernels/elementwise/simd.hpp"

namespace ringworld::host_attention {
namespace {

using AliasedFloat __attribute__((may_alias)) = float;
using AliasedHalf __attribute__((may_alias)) = std::uint16_t;

/// A word is a float: either depth is the same matrix, bf16 widened.
inline void pack_floats(const PackRows& rows) {
  for (std::int64_t row = 0; row < rows.rows; ++row) {
    Word* to = rows.target + row * rows.leading;
    if (rows.dtype == DType::float32) {
      const auto* from = static_cast<const AliasedFloat*>(rows.source) + row * rows.row_stride;
      auto* floats = reinterpret_cast<AliasedFloat*>(to);
      for (std::int64_t column = 0; column < rows.columns; ++column) {
        floats[column] = from[column];
      }
    } else {
      const auto* from = static_cast<const AliasedHalf*>(rows.source) + row * rows.row_stride;
      for (std::int64_t column = 0; column < rows.columns; ++column) {
        to[column] = static_cast<Word>(from[column]) << 16;
      }
    }
    for (std::int64_t column = rows.columns; column < rows.leading; ++column) {
      to[column] = 0;
    }
  }
}

/// Whether a number of the row is NaN or infinite: its exponent is all ones.
inline bool is_not_finite(const PackRows& rows, std::int64_t row) {
  Word found = 0;
  if (rows.dtype == DType::float32) {
    using AliasedWord __attribute__((may_alias)) = Word;
    const auto* from = static_cast<const AliasedWord*>(rows.source) + row * rows.row_stride;
    for (std::int64_t column = 0; column < rows.columns; ++column) {
      found |= (from[column] & 0x7f800000U) == 0x7f800000U ? 1U : 0U;
    }
  } else {
    const auto* from = static_cast<const AliasedHalf*>(rows.source) + row * rows.row_stride;
    for (std::int64_t column = 0; column < rows.columns; ++column) {
      found |= (from[column] & 0x7f80U) == 0x7f80U ? 1U : 0U;
    }
  }
  return found != 0;
}

inline TokenBits rows_not_finite(const PackRows& rows) {
  TokenBits bits = 0;
  for (std::int64_t row = 0; row < rows.rows; ++row) {
    bits |= static_cast<TokenBits>(is_not_finite(rows, row)) << row;
  }
  return bits;
}

/// `pack_floats`, the rows that are not finite as zeros.
inline TokenBits pack_finite_floats(const PackRows& rows) {
  pack_floats(rows);
  const TokenBits zeroed = rows_not_finite(rows);
  for (std::int64_t row = 0; zeroed != 0 && row < rows.rows; ++row) {
    for (std::int64_t column = 0; (zeroed >> row & 1U) != 0 && column < rows.columns; ++column) {
      rows.target[row * rows.leading + column] = 0;
    }
  }
  return zeroed;
}

/// A word is two bf16 of neighbouring columns. @pre bf16, an even number of columns
inline void pack_column_pairs(const PackRows& rows) {
  for (std::int64_t row = 0; row < rows.rows; ++row) {
    const auto* from = static_cast<const AliasedHalf*>(rows.source) + row * rows.row_stride;
    auto* to = reinterpret_cast<AliasedHalf*>(rows.target + row * rows.leading);
    for (std::int64_t column = 0; column < rows.columns; ++column) {
      to[column] = from[column];
    }
    for (std::int64_t column = rows.columns; column < 2 * rows.leading; ++column) {
      to[column] = 0;
    }
  }
}

/// A word is two bf16 of neighbouring rows; a last row without a partner is paired with zeros. Rows that are not finite are
/// packed as zeros. @pre bf16
inline TokenBits pack_row_pairs(const PackRows& rows) {
  const TokenBits zeroed = rows_not_finite(rows);
  for (std::int64_t row = 0; row < rows.rows; row += 2) {
    const auto* even = static_cast<const AliasedHalf*>(rows.source) + row * rows.row_stride;
    const bool is_paired = row + 1 < rows.rows;
    const auto* odd = is_paired ? even + rows.row_stride : even;
    const Word even_bits = (zeroed >> row & 1U) == 0 ? 0xffffU : 0U;
    const Word odd_bits = is_paired && (zeroed >> row & 2U) == 0 ? 0xffff0000U : 0U;
    Word* to = rows.target + row / 2 * rows.leading;
    for (std::int64_t column = 0; column < rows.columns; ++column) {
      to[column] = (static_cast<Word>(even[column]) & even_bits) | ((static_cast<Word>(odd[column]) << 16) & odd_bits);
    }
    for (std::int64_t column = rows.columns; column < rows.leading; ++column) {
      to[column] = 0;
    }
  }
  return zeroed;
}

/// Four rows by four columns at a time, in registers.
inline void transpose(const Transpose& matrix) {
  using Four = row::RegisterTypes<4>::IntInMemory;
  const auto at = [](const Word* address) { return *reinterpret_cast<const Four*>(address); };
  const std::int64_t whole_rows = matrix.rows / 4 * 4;
  const std::int64_t whole_columns = matrix.columns / 4 * 4;
  for (std::int64_t row = 0; row < whole_rows; row += 4) {
    const Word* from = matrix.source + row * matrix.source_leading;
    Word* to = matrix.target + row;
    for (std::int64_t column = 0; column < whole_columns; column += 4) {
      const Four a = at(from + column);
      const Four b = at(from + column + matrix.source_leading);
      const Four c = at(from + column + 2 * matrix.source_leading);
      const Four d = at(from + column + 3 * matrix.source_leading);
      const Four ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
      const Four cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
      const Four ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
      const Four cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
      Word* target = to + column * matrix.target_leading;
      *reinterpret_cast<Four*>(target) = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
      *reinterpret_cast<Four*>(target + matrix.target_leading) = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
      *reinterpret_cast<Four*>(target + 2 * matrix.target_leading) =
          __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
      *reinterpret_cast<Four*>(target + 3 * matrix.target_leading) =
          __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
    }
  }
  for (std::int64_t column = 0; column < matrix.columns; ++column) {
    Word* to = matrix.target + column * matrix.target_leading;
    for (std::int64_t row = column < whole_columns ? whole_rows : 0; row < matrix.rows; ++row) {
      to[row] = matrix.source[row * matrix.source_leading + column];
    }
    for (std::int64_t row = matrix.rows; row < matrix.padded_rows; ++row) {
      to[row] = 0;
    }
  }
}

}  // namespace
}  // namespace ringworld::host_attention
