#include <algorithm>
#include <cstddef>
#include <limits>

#include "core/isa.hpp"
#include "kernels/elementwise/row_functions.hpp"
#include "kernels/tensor/tensor.hpp"

namespace ringworld {
namespace {

template <bool IsConst>
auto* byte_at(const BasicRowsView<IsConst>& view, std::int64_t row) {
  using Byte = typename BasicRowsView<IsConst>::Byte;
  return static_cast<Byte*>(view.data) + row * view.row_stride * size_of(view.dtype);
}

template <bool IsConst>
std::int64_t row_bytes(const BasicRowsView<IsConst>& view) {
  return view.columns * size_of(view.dtype);
}

template <bool IsConst>
bool is_dense(const BasicRowsView<IsConst>& view) {
  return view.row_stride == view.columns;
}

/// The (T, H * D) rows of one sequence where a token's heads lie side by side, else the (H, D) rows of one token.
template <bool IsConst>
BasicRowsView<IsConst> rows_of(const BasicActivationView<IsConst>& x, std::int64_t b, std::int64_t t,
                               bool has_dense_tokens) {
  using Byte = typename BasicRowsView<IsConst>::Byte;
  const std::int64_t offset = b * x.strides[0] + t * x.strides[1];
  auto* data = static_cast<Byte*>(x.data) + offset * size_of(x.dtype);
  return has_dense_tokens ? BasicRowsView<IsConst>(data, x.dtype, {x.tokens(), x.heads() * x.head_size()}, x.strides[1])
                          : BasicRowsView<IsConst>(data, x.dtype, {x.heads(), x.head_size()}, x.strides[2]);
}

template <bool IsConst>
bool has_dense_tokens(const BasicActivationView<IsConst>& x) {
  return x.heads() == 1 || x.strides[2] == x.head_size();
}

class HostTensorOps final : public TensorOps {
 private:
  void run_fill_zero(void* to, std::int64_t bytes) override {
    std::fill_n(static_cast<std::byte*>(to), bytes, std::byte{});  // nothing may be null, which memset forbids
  }

  void run_fill_zero_rows(const RowsView& rows) override {
    if (is_dense(rows)) {
      run_fill_zero(rows.data, rows.rows * row_bytes(rows));
      return;
    }
    for (std::int64_t r = 0; r < rows.rows; ++r) {
      run_fill_zero(byte_at(rows, r), row_bytes(rows));
    }
  }

  void run_copy(const void* from, void* to, std::int64_t bytes) override {
    std::copy_n(static_cast<const std::byte*>(from), bytes, static_cast<std::byte*>(to));
  }

  void run_copy_rows(const ConstRowsView& from, const RowsView& to) override {
    const bool is_one_row = is_dense(from) && is_dense(to);
    const std::int64_t rows = is_one_row ? 1 : from.rows;
    const std::int64_t columns = is_one_row ? from.rows * from.columns : from.columns;
    for (std::int64_t r = 0; r < rows; ++r) {
      if (from.dtype == to.dtype) {
        run_copy(byte_at(from, r), byte_at(to, r), columns * size_of(from.dtype));
      } else if (from.dtype == DType::float32) {
        functions_.bfloat16.copy_float32(from.row<float>(r), to.row<bf16>(r), columns);
      } else {
        functions_.float32.copy_bfloat16(from.row<bf16>(r), to.row<float>(r), columns);
      }
    }
  }

  void run_copy_activations(const ConstActivationView& from, const ActivationView& to) override {
    const bool is_dense = has_dense_tokens(from) && has_dense_tokens(to);
    for (std::int64_t b = 0; b < from.batch(); ++b) {
      for (std::int64_t t = 0; t < (is_dense ? 1 : from.tokens()); ++t) {
        run_copy_rows(rows_of(from, b, t, is_dense), rows_of(to, b, t, is_dense));
      }
    }
  }

  void run_copy_strided(const StridedCopy& copy) override {
    constexpr std::int64_t size = 4;
    const bool is_dense = copy.from_strides[2] == 1 && copy.to_strides[2] == 1;
    const std::int64_t run = is_dense ? copy.shape[2] : 1;
    for (std::int64_t i = 0; i < copy.shape[0]; ++i) {
      for (std::int64_t j = 0; j < copy.shape[1]; ++j) {
        for (std::int64_t k = 0; k < copy.shape[2]; k += run) {
          const auto offset = [&](const std::array<std::int64_t, 3>& strides) {
            return size * (i * strides[0] + j * strides[1] + k * strides[2]);
          };
          run_copy(static_cast<const std::byte*>(copy.from) + offset(copy.from_strides),
                   static_cast<std::byte*>(copy.to) + offset(copy.to_strides), run * size);
        }
      }
    }
  }

  void run_add(std::span<const float> from, std::span<float> to) override {
    functions_.float32.add(from.data(), to.data(), std::ssize(from));
  }

  void run_add_to_rows(std::span<const float> row, const RowsView& rows) override {
    with_type(rows.dtype, [&](auto element) {
      using T = decltype(element);
      for (std::int64_t r = 0; r < rows.rows; ++r) {
        T* values = rows.row<T>(r);
        for (std::size_t c = 0; c < row.size(); ++c) {
          values[c] = static_cast<T>(static_cast<float>(values[c]) + row[c]);
        }
      }
    });
  }

  void run_add_column_sums(const ConstRowsView& rows, std::span<float> sums) override {
    with_type(rows.dtype, [&](auto element) {
      using T = decltype(element);
      for (std::int64_t r = 0; r < rows.rows; ++r) {
        functions_.of<T>().add(rows.row<T>(r), sums.data(), rows.columns);
      }
    });
  }

  void run_scale_rows(std::span<const float> factors, const RowsView& rows) override {
    with_type(rows.dtype, [&](auto element) {
      using T = decltype(element);
      for (std::int64_t r = 0; r < rows.rows; ++r) {
        const float factor = factors[static_cast<std::size_t>(r)];
        T* values = rows.row<T>(r);
        for (std::int64_t c = 0; c < rows.columns; ++c) {
          values[c] = static_cast<T>(static_cast<float>(values[c]) * factor);
        }
      }
    });
  }

  void run_find_row_maxima(const ConstRowsView& rows, const RowMaxima& maxima) override {
    for (std::int64_t r = 0; r < rows.rows; ++r) {
      const float* values = rows.row<float>(r);
      float maximum = -std::numeric_limits<float>::infinity();
      for (std::int64_t c = 0; c < rows.columns; ++c) {
        maximum = values[c] > maximum ? values[c] : maximum;
      }
      // In a row of NaNs no element may equal the maximum.
      const std::int64_t first = std::find(values, values + rows.columns, maximum) - values;
      const bool is_found = maximum > -std::numeric_limits<float>::infinity();
      maxima.maximum[static_cast<std::size_t>(r)] = maximum;
      maxima.index[static_cast<std::size_t>(r)] = is_found ? static_cast<std::int32_t>(first) : 0;
    }
  }

  void run_gather_rows(const ConstRowsView& from, std::span<const std::int32_t> index, const RowsView& to) override {
    for (std::int64_t r = 0; r < to.rows; ++r) {
      const std::int64_t source = index[static_cast<std::size_t>(r)];
      if (source < 0) {
        run_fill_zero(byte_at(to, r), row_bytes(to));
      } else {
        run_copy(byte_at(from, source), byte_at(to, r), row_bytes(to));
      }
    }
  }

  void run_scatter_rows(const ConstRowsView& from, std::span<const std::int32_t> index, const RowsView& to) override {
    for (std::int64_t r = 0; r < from.rows; ++r) {
      const std::int64_t target = index[static_cast<std::size_t>(r)];
      if (target >= 0) {
        run_copy(byte_at(from, r), byte_at(to, target), row_bytes(from));
      }
    }
  }

  const row::RowFunctions& functions_ = row::row_functions(selected_isa());
};

}  // namespace

std::unique_ptr<TensorOps> make_host_tensor_ops(const KernelOptions& /*options*/) {
  return std::make_unique<HostTensorOps>();
}

}  // namespace ringworld
