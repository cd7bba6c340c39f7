#include "kernels/tensor/tensor.hpp"

#include "core/error.hpp"

namespace ringworld {
namespace {

bool is_empty(const ConstRowsView& rows) { return rows.rows == 0 || rows.columns == 0; }

}  // namespace

void TensorOps::fill_zero(const RowsView& rows) {
  if (!is_empty(rows)) {
    run_fill_zero_rows(rows);
  }
}

void TensorOps::copy_rows(const ConstRowsView& from, const RowsView& to) {
  require(from.rows == to.rows && from.columns == to.columns, "copied rows differ in shape");
  if (!is_empty(from)) {
    run_copy_rows(from, to);
  }
}

void TensorOps::copy_activations(const ConstActivationView& from, const ActivationView& to) {
  require(from.shape == to.shape, "copied activations differ in shape");
  require(from.strides[3] == 1 && to.strides[3] == 1, "copied activations: the last extent must be dense");
  if (from.size() > 0) {
    run_copy_activations(from, to);
  }
}

void TensorOps::copy_strided(const StridedCopy& copy, const std::array<std::int64_t, 3>& to_shape) {
  require(copy.shape == to_shape, "copied tensors differ in shape");
  if (element_count(copy.shape) > 0) {
    run_copy_strided(copy);
  }
}

void TensorOps::add(std::span<const float> from, std::span<float> to) {
  require(from.size() == to.size(), "added numbers differ in count");
  if (!from.empty()) {
    run_add(from, to);
  }
}

void TensorOps::add_to_rows(std::span<const float> row, const RowsView& rows) {
  require(std::ssize(row) == rows.columns, "a row added to rows has not their columns");
  if (!is_empty(rows)) {
    run_add_to_rows(row, rows);
  }
}

void TensorOps::add_column_sums(const ConstRowsView& rows, std::span<float> sums) {
  require(std::ssize(sums) == rows.columns, "column sums are not one a column");
  if (!is_empty(rows)) {
    run_add_column_sums(rows, sums);
  }
}

void TensorOps::scale_rows(std::span<const float> factors, const RowsView& rows) {
  require(std::ssize(factors) == rows.rows, "factors are not one a row");
  if (!is_empty(rows)) {
    run_scale_rows(factors, rows);
  }
}

void TensorOps::find_row_maxima(const ConstRowsView& rows, const RowMaxima& maxima) {
  require(rows.dtype == DType::float32, "row maxima are of fp32");
  require(std::ssize(maxima.maximum) == rows.rows && std::ssize(maxima.index) == rows.rows,
          "row maxima are not one a row");
  if (rows.rows > 0) {
    run_find_row_maxima(rows, maxima);
  }
}

void TensorOps::gather_rows(const ConstRowsView& from, std::span<const std::int32_t> index, const RowsView& to) {
  require(from.columns == to.columns && from.dtype == to.dtype, "gathered rows differ in columns or type");
  require(std::ssize(index) == to.rows, "gathered rows: the index has not one element a row");
  if (!is_empty(to)) {
    run_gather_rows(from, index, to);
  }
}

void TensorOps::scatter_rows(const ConstRowsView& from, std::span<const std::int32_t> index, const RowsView& to) {
  require(from.columns == to.columns && from.dtype == to.dtype, "scattered rows differ in columns or type");
  require(std::ssize(index) == from.rows, "scattered rows: the index has not one element a row");
  if (!is_empty(from)) {
    run_scatter_rows(from, index, to);
  }
}

}  // namespace ringworld
