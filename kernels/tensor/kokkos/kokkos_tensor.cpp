#include <array>

#include "device/device.hpp"
#include "kernels/elementwise/kokkos/elements.hpp"
#include "kernels/elementwise/kokkos/launch.hpp"
#include "kernels/elementwise/kokkos/math.hpp"
#include "kernels/tensor/tensor.hpp"

namespace ringworld {
namespace {

using kokkos::RowsReader;
using kokkos::RowsWriter;

struct ZeroKernel {
  RowsWriter rows;
  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t row, std::int64_t column) const { rows(row, column, 0.0F); }
};

struct CopyKernel {
  RowsReader from;
  RowsWriter to;
  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t row, std::int64_t column) const {
    to(row, column, from(row, column));
  }
};

/// (B, T, H, D) by the number of the element.
struct CopyActivationsKernel {
  kokkos::Reader from;
  kokkos::Writer to;
  std::array<std::int64_t, 4> shape;
  std::array<std::int64_t, 4> from_strides;
  std::array<std::int64_t, 4> to_strides;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t index) const {
    std::int64_t from_at = 0;
    std::int64_t to_at = 0;
    for (int axis = 3; axis >= 0; --axis) {
      const std::int64_t place = index % shape[axis];
      index /= shape[axis];
      from_at += place * from_strides[axis];
      to_at += place * to_strides[axis];
    }
    to(to_at, from(from_at));
  }
};

struct CopyStridedKernel {
  const std::uint32_t* from;
  std::uint32_t* to;
  std::array<std::int64_t, 3> shape;
  std::array<std::int64_t, 3> from_strides;
  std::array<std::int64_t, 3> to_strides;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t index) const {
    const std::int64_t k = index % shape[2];
    const std::int64_t j = index / shape[2] % shape[1];
    const std::int64_t i = index / shape[2] / shape[1];
    to[i * to_strides[0] + j * to_strides[1] + k * to_strides[2]] =
        from[i * from_strides[0] + j * from_strides[1] + k * from_strides[2]];
  }
};

struct AddKernel {
  const float* from;
  float* to;
  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t index) const { to[index] += from[index]; }
};

struct AddToRowsKernel {
  const float* row_values;
  RowsWriter rows;
  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t row, std::int64_t column) const {
    rows(row, column, rows(row, column) + row_values[column]);
  }
};

/// Sums one column over the rows in order.
struct ColumnSumKernel {
  RowsReader rows;
  std::int64_t count;
  float* sums;
  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t column) const {
    double sum = static_cast<double>(sums[column]);
    for (std::int64_t row = 0; row < count; ++row) {
      sum += static_cast<double>(rows(row, column));
    }
    sums[column] = static_cast<float>(sum);
  }
};

struct ScaleRowsKernel {
  const float* factors;
  RowsWriter rows;
  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t row, std::int64_t column) const {
    rows(row, column, rows(row, column) * factors[row]);
  }
};

struct RowMaximumKernel {
  RowsReader rows;
  std::int64_t columns;
  float* maximum;
  std::int32_t* index;
  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t row) const {
    float largest = kokkos::minus_infinity;
    std::int64_t first = 0;
    for (std::int64_t column = 0; column < columns; ++column) {
      if (rows(row, column) > largest) {
        largest = rows(row, column);
        first = column;
      }
    }
    maximum[row] = largest;
    index[row] = static_cast<std::int32_t>(first);
  }
};

struct GatherKernel {
  RowsReader from;
  const std::int32_t* index;
  RowsWriter to;
  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t row, std::int64_t column) const {
    to(row, column, index[row] < 0 ? 0.0F : from(index[row], column));
  }
};

struct ScatterKernel {
  RowsReader from;
  const std::int32_t* index;
  RowsWriter to;
  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t row, std::int64_t column) const {
    if (index[row] >= 0) {
      to(index[row], column, from(row, column));
    }
  }
};

class KokkosTensorOps final : public TensorOps {
  void run_fill_zero(void* to, std::int64_t bytes) override { place_.fill_zero(to, bytes, place_.compute_stream()); }

  void run_fill_zero_rows(const RowsView& rows) override {
    kokkos::for_each_element("ringworld::tensor::fill_zero", rows.rows, rows.columns, ZeroKernel{rows});
  }

  void run_copy(const void* from, void* to, std::int64_t bytes) override {
    place_.copy(to, from, bytes, place_.compute_stream());
  }

  void run_copy_rows(const ConstRowsView& from, const RowsView& to) override {
    kokkos::for_each_element("ringworld::tensor::copy_rows", from.rows, from.columns, CopyKernel{from, to});
  }

  void run_copy_activations(const ConstActivationView& from, const ActivationView& to) override {
    kokkos::for_each(
        "ringworld::tensor::copy_activations", from.size(),
        CopyActivationsKernel{{from.data, from.dtype}, {to.data, to.dtype}, from.shape, from.strides, to.strides});
  }

  void run_copy_strided(const StridedCopy& copy) override {
    kokkos::for_each(
        "ringworld::tensor::copy_strided", element_count(copy.shape),
        CopyStridedKernel{static_cast<const std::uint32_t*>(copy.from), static_cast<std::uint32_t*>(copy.to),
                          copy.shape, copy.from_strides, copy.to_strides});
  }

  void run_add(std::span<const float> from, std::span<float> to) override {
    kokkos::for_each("ringworld::tensor::add", std::ssize(from), AddKernel{from.data(), to.data()});
  }

  void run_add_to_rows(std::span<const float> row, const RowsView& rows) override {
    kokkos::for_each_element("ringworld::tensor::add_to_rows", rows.rows, rows.columns,
                             AddToRowsKernel{row.data(), rows});
  }

  void run_add_column_sums(const ConstRowsView& rows, std::span<float> sums) override {
    kokkos::for_each("ringworld::tensor::column_sums", rows.columns, ColumnSumKernel{rows, rows.rows, sums.data()});
  }

  void run_scale_rows(std::span<const float> factors, const RowsView& rows) override {
    kokkos::for_each_element("ringworld::tensor::scale_rows", rows.rows, rows.columns,
                             ScaleRowsKernel{factors.data(), rows});
  }

  void run_find_row_maxima(const ConstRowsView& rows, const RowMaxima& maxima) override {
    kokkos::for_each("ringworld::tensor::row_maxima", rows.rows,
                     RowMaximumKernel{rows, rows.columns, maxima.maximum.data(), maxima.index.data()});
  }

  void run_gather_rows(const ConstRowsView& from, std::span<const std::int32_t> index, const RowsView& to) override {
    kokkos::for_each_element("ringworld::tensor::gather_rows", to.rows, to.columns,
                             GatherKernel{from, index.data(), to});
  }

  void run_scatter_rows(const ConstRowsView& from, std::span<const std::int32_t> index, const RowsView& to) override {
    kokkos::for_each_element("ringworld::tensor::scatter_rows", from.rows, from.columns,
                             ScatterKernel{from, index.data(), to});
  }

  Device& place_ = kokkos_device();
};

}  // namespace

std::unique_ptr<TensorOps> make_kokkos_tensor_ops(const KernelOptions& /*options*/) {
  return std::make_unique<KokkosTensorOps>();
}

}  // namespace ringworld
