#include "io/tensor_range.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

#include "core/error.hpp"

namespace ringworld {

// The slice is a matrix of its own. Its elements `begin .. end` are the end of one row, whole rows, the start of one.
std::vector<TensorBox> boxes_of(const TensorRange& range) {
  const auto dimensions = static_cast<int>(range.shape.size());
  require(dimensions >= 1, "a checkpoint's tensors have dimensions");
  if (dimensions > 2) {
    const std::int64_t elements =
        std::accumulate(range.shape.begin(), range.shape.end(), std::int64_t{1}, std::multiplies<>());
    require(range.axis == TensorRange::whole && (range.size() == 0 || (range.begin == 0 && range.end == elements)),
            "a tensor of more than two dimensions is held whole, or not at all");
    return range.size() == 0 ? std::vector<TensorBox>() : std::vector{TensorBox{.rows = elements, .columns = 1}};
  }
  require(range.axis >= TensorRange::whole && range.axis < dimensions,
          "a slice is cut along a dimension of its tensor");
  TensorBox slice{.rows = range.shape[0], .columns = dimensions == 2 ? range.shape[1] : 1};
  if (range.axis != TensorRange::whole) {
    const std::int64_t extent = range.shape[static_cast<std::size_t>(range.axis)];
    require(range.slice_begin >= 0 && range.slice_count >= 0 && range.slice_begin + range.slice_count <= extent,
            "a slice lies inside its tensor");
    (range.axis == 0 ? slice.row : slice.column) = range.slice_begin;
    (range.axis == 0 ? slice.rows : slice.columns) = range.slice_count;
  }
  require(range.begin >= 0 && range.begin <= range.end && range.end <= slice.rows * slice.columns,
          "a range lies inside its slice");
  std::vector<TensorBox> boxes;
  for (std::int64_t at = range.begin; at < range.end;) {
    const std::int64_t column = at % slice.columns;
    const bool is_at_row_start = column == 0 && range.end - at >= slice.columns;
    const std::int64_t rows = is_at_row_start ? (range.end - at) / slice.columns : 1;
    const std::int64_t columns = is_at_row_start ? slice.columns : std::min(slice.columns - column, range.end - at);
    boxes.push_back(
        {.row = slice.row + at / slice.columns, .column = slice.column + column, .rows = rows, .columns = columns});
    at += rows * columns;
  }
  return boxes;
}

}  // namespace ringworld
