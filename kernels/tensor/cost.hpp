#pragma once
/// @file  The cost of the operations of TensorOps.

#include <cstdint>

#include "kernels/tensor/tensor.hpp"

namespace ringworld {

///   operation        FLOP an element   `from` is        `to` is
///   fill_zero              0                            written
///   copy                   0           read             written            (gather_rows and scatter_rows as well)
///   add                    1           read             read and written
///   update_rows            1                            read and written   (add_to_rows, scale_rows)
///   add_column_sums        1           read
///   find_row_maxima        0           read
enum class TensorOperation : std::uint8_t { fill_zero, copy, add, update_rows, add_column_sums, find_row_maxima };

/// One call. Operands with one number a row or one row in all count for no bytes.
struct TensorWork {
  TensorOperation operation = TensorOperation::copy;
  std::int64_t elements = 0;
  std::int64_t from_bytes = 0;  ///< of all elements of `from`
  std::int64_t to_bytes = 0;    ///< of all elements of `to`
};

[[nodiscard]] Cost cost_of(const TensorWork& work);

}  // namespace ringworld
