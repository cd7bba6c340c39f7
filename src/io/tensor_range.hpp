#pragma once
/// @file  The part of a tensor that one rank holds.
///
///   tensor (out, in)            slice of a tensor-parallel rank      range of a shard: begin <= element < end
///   +-----------------+         +--------+--------+                  +--------+
///   |                 |         |        |xxxxxxxx|                  |    ----|  part of a row
///   |                 |         |        |xxxxxxxx|                  |--------|  whole rows
///   +-----------------+         +--------+--------+                  |--      |  part of a row
///                                                                    +--------+

#include <cstdint>
#include <vector>

namespace ringworld {

/// What one rank holds of a tensor. Of a tensor of more than two dimensions it holds everything or nothing.
struct TensorRange {
  static constexpr int whole = -1;

  std::vector<std::int64_t> shape;  ///< of the whole tensor
  int axis = whole;                 ///< along which the slice is cut; `whole`: it is not
  std::int64_t slice_begin = 0;     ///< slice_begin <= index < slice_begin + slice_count along `axis`
  std::int64_t slice_count = 0;
  std::int64_t begin = 0;  ///< of the flat slice
  std::int64_t end = 0;    ///< begin == end: nothing

  [[nodiscard]] std::int64_t size() const { return end - begin; }
};

/// A rectangle of rows and columns; a tensor of one dimension, or of more than two, has one column.
struct TensorBox {
  std::int64_t row = 0;
  std::int64_t column = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;

  bool operator==(const TensorBox&) const = default;
};

/// The range as rectangles of the whole tensor, in row-major order: up to three.
/// @throws ringworld::Error when the range lies outside the slice, or the slice outside the tensor.
[[nodiscard]] std::vector<TensorBox> boxes_of(const TensorRange& range);

}  // namespace ringworld
