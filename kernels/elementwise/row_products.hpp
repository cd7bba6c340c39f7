#pragma once
/// @file  Products of a few rows with a long matrix, which is read once and in its own type: what one token of a decoder
/// asks of every weight matrix, of the keys and of the values. Memory bounds them, not arithmetic.
///
///   dot_products    c (m, n) = scale * a (m, k) b (n, k)^T     a row of b is a weight's row, or a key
///   weighted_sums   c (m, n) += a (m, k) b (k, n)              a row of b is a value

#include <cstdint>

namespace ringworld::row {

/// @tparam T  of b; a and c are fp32
template <class T>
struct RowsProduct {
  std::int64_t m = 0;  ///< any; rows of b are read from the first-level cache again for each four of them
  std::int64_t n = 0;
  std::int64_t k = 0;
  const float* a = nullptr;
  std::int64_t a_leading = 0;
  const T* b = nullptr;
  std::int64_t b_leading = 0;
  float* c = nullptr;
  std::int64_t c_leading = 0;
  float scale = 1.0F;  ///< of dot products
};

}  // namespace ringworld::row
