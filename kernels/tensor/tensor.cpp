#include "kernels/tensor/tensor.hpp"

#include "core/error.hpp"
#include "kernels/tensor/cost.hpp"

namespace ringworld {
namespace {

bool is_empty(const ConstRowsView& rows) { return rows.rows == 0 || rows.columns == 0; }

std::int64_t bytes_of(const ConstRowsView& rows) { return rows.rows * rows.columns * size_of(rows.dtype); }

/// Work that reads and writes `rows` alone.
TensorWork work_on(const ConstRowsView& rows, TensorOperation operation) {
  return {.operation = operation,
          .elements = rows.rows * rows.columns,
          .from_bytes = bytes_of(rows),
          .to_bytes = bytes_of(rows)};
}

/// A copy between rows, as many as `moved` has.
TensorWork copy_between(const ConstRowsView& moved, DType from, DType to) {
  const std::int64_t elements = moved.rows * moved.columns;
  return {.operation = TensorOperation::copy,
          .elements = elements,
          .from_bytes = elements * size_of(from),
          .to_bytes = elements * size_of(to)};
}

}  // namespace

void TensorOps::fill_zero_bytes(void* to, std::int64_t bytes) {
  charge(cost_of(TensorWork{.operation = TensorOperation::fill_zero, .to_bytes = bytes}));
  run_fill_zero(to, bytes);
}

void TensorOps::copy_bytes(const void* from, void* to, std::int64_t bytes) {
  charge(cost_of(TensorWork{.operation = TensorOperation::copy, .from_bytes = bytes, .to_bytes = bytes}));
  run_copy(from, to, bytes);
}

void TensorOps::fill_zero(const RowsView& rows) {
  if (!is_empty(rows)) {
    charge(cost_of(work_on(rows, TensorOperation::fill_zero)));
    run_fill_zero_rows(rows);
  }
}

void TensorOps::copy_rows(const ConstRowsView& from, const RowsView& to) {
  require(from.rows == to.rows && from.columns == to.columns, "copied rows differ in shape");
  if (!is_empty(from)) {
    charge(cost_of(copy_between(from, from.dtype, to.dtype)));
    run_copy_rows(from, to);
  }
}

void TensorOps::copy_activations(const ConstActivationView& from, const ActivationView& to) {
  require(from.shape == to.shape, "copied activations differ in shape");
  require(from.strides[3] == 1 && to.strides[3] == 1, "copied activations: the last extent must be dense");
  if (from.size() > 0) {
    charge(cost_of(TensorWork{.operation = TensorOperation::copy,
                              .elements = from.size(),
                              .from_bytes = from.size() * size_of(from.dtype),
                              .to_bytes = from.size() * size_of(to.dtype)}));
    run_copy_activations(from, to);
  }
}

void TensorOps::copy_strided(const StridedCopy& copy, const std::array<std::int64_t, 3>& to_shape) {
  require(copy.shape == to_shape, "copied tensors differ in shape");
  if (element_count(copy.shape) > 0) {
    charge(cost_of(TensorWork{.operation = TensorOperation::copy,
                              .elements = element_count(copy.shape),
                              .from_bytes = 4 * element_count(copy.shape),
                              .to_bytes = 4 * element_count(copy.shape)}));
    run_copy_strided(copy);
  }
}

void TensorOps::add(std::span<const float> from, std::span<float> to) {
  require(from.size() == to.size(), "added numbers differ in count");
  if (!from.empty()) {
    charge(cost_of(TensorWork{.operation = TensorOperation::add,
                              .elements = std::ssize(from),
                              .from_bytes = static_cast<std::int64_t>(from.size_bytes()),
                              .to_bytes = static_cast<std::int64_t>(to.size_bytes())}));
    run_add(from, to);
  }
}

void TensorOps::add_to_rows(std::span<const float> row, const RowsView& rows) {
  require(std::ssize(row) == rows.columns, "a row added to rows has not their columns");
  if (!is_empty(rows)) {
    charge(cost_of(work_on(rows, TensorOperation::update_rows)));
    run_add_to_rows(row, rows);
  }
}

void TensorOps::add_column_sums(const ConstRowsView& rows, std::span<float> sums) {
  require(std::ssize(sums) == rows.columns, "column sums are not one a column");
  if (!is_empty(rows)) {
    charge(cost_of(work_on(rows, TensorOperation::add_column_sums)));
    run_add_column_sums(rows, sums);
  }
}

void TensorOps::scale_rows(std::span<const float> factors, const RowsView& rows) {
  require(std::ssize(factors) == rows.rows, "factors are not one a row");
  if (!is_empty(rows)) {
    charge(cost_of(work_on(rows, TensorOperation::update_rows)));
    run_scale_rows(factors, rows);
  }
}

void TensorOps::find_row_maxima(const ConstRowsView& rows, const RowMaxima& maxima) {
  require(rows.dtype == DType::float32, "row maxima are of fp32");
  require(std::ssize(maxima.maximum) == rows.rows && std::ssize(maxima.index) == rows.rows,
          "row maxima are not one a row");
  if (rows.rows > 0) {
    charge(cost_of(work_on(rows, TensorOperation::find_row_maxima)));
    run_find_row_maxima(rows, maxima);
  }
}

void TensorOps::gather_rows(const ConstRowsView& from, std::span<const std::int32_t> index, const RowsView& to) {
  require(from.columns == to.columns && from.dtype == to.dtype, "gathered rows differ in columns or type");
  require(std::ssize(index) == to.rows, "gathered rows: the index has not one element a row");
  if (!is_empty(to)) {
    charge(cost_of(copy_between(to, from.dtype, to.dtype)));
    run_gather_rows(from, index, to);
  }
}

void TensorOps::scatter_rows(const ConstRowsView& from, std::span<const std::int32_t> index, const RowsView& to) {
  require(from.columns == to.columns && from.dtype == to.dtype, "scattered rows differ in columns or type");
  require(std::ssize(index) == from.rows, "scattered rows: the index has not one element a row");
  if (!is_empty(from)) {
    charge(cost_of(copy_between(from, from.dtype, to.dtype)));
    run_scatter_rows(from, index, to);
  }
}

}  // namespace ringworld
