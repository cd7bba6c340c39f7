#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>

#include "kernels/elementwise/widened_row.hpp"
#include "kernels/tensor/tensor.hpp"

namespace ringworld {
namespace {

using row::narrow;
using row::widened;

/// (H, D) of one token.
template <bool IsConst>
BasicRowsView<IsConst> heads_of(const BasicActivationView<IsConst>& x, std::int64_t b, std::int64_t t) {
  using Byte = typename BasicRowsView<IsConst>::Byte;
  const std::int64_t offset = b * x.strides[0] + t * x.strides[1];
  return {static_cast<Byte*>(x.data) + offset * size_of(x.dtype), x.dtype, {x.heads(), x.head_size()}, x.strides[2]};
}

class ReferenceTensorOps final : public TensorOps {
 private:
  void run_fill_zero(void* to, std::int64_t bytes) override {
    std::fill_n(static_cast<std::byte*>(to), bytes, std::byte{});  // nothing may be null, which memset forbids
  }

  void run_fill_zero_rows(const RowsView& rows) override {
    const std::vector<double> zeros(static_cast<std::size_t>(rows.columns));
    for (std::int64_t r = 0; r < rows.rows; ++r) {
      narrow(zeros, rows, r);
    }
  }

  void run_copy(const void* from, void* to, std::int64_t bytes) override {
    std::copy_n(static_cast<const std::byte*>(from), bytes, static_cast<std::byte*>(to));
  }

  void run_copy_rows(const ConstRowsView& from, const RowsView& to) override {
    for (std::int64_t r = 0; r < from.rows; ++r) {
      narrow(widened(from, r), to, r);
    }
  }

  void run_copy_activations(const ConstActivationView& from, const ActivationView& to) override {
    for (std::int64_t b = 0; b < from.batch(); ++b) {
      for (std::int64_t t = 0; t < from.tokens(); ++t) {
        run_copy_rows(heads_of(from, b, t), heads_of(to, b, t));
      }
    }
  }

  void run_copy_strided(const StridedCopy& copy) override {
    constexpr std::int64_t size = 4;
    for (std::int64_t i = 0; i < copy.shape[0]; ++i) {
      for (std::int64_t j = 0; j < copy.shape[1]; ++j) {
        for (std::int64_t k = 0; k < copy.shape[2]; ++k) {
          const auto offset = [&](const std::array<std::int64_t, 3>& strides) {
            return size * (i * strides[0] + j * strides[1] + k * strides[2]);
          };
          std::memcpy(static_cast<std::byte*>(copy.to) + offset(copy.to_strides),
                      static_cast<const std::byte*>(copy.from) + offset(copy.from_strides), size);
        }
      }
    }
  }

  void run_add(std::span<const float> from, std::span<float> to) override {
    for (std::size_t i = 0; i < from.size(); ++i) {
      to[i] += from[i];
    }
  }

  void run_add_to_rows(std::span<const float> row, const RowsView& rows) override {
    for (std::int64_t r = 0; r < rows.rows; ++r) {
      std::vector<double> values = widened(rows, r);
      for (std::size_t c = 0; c < values.size(); ++c) {
        values[c] += static_cast<double>(row[c]);
      }
      narrow(values, rows, r);
    }
  }

  void run_add_column_sums(const ConstRowsView& rows, std::span<float> sums) override {
    std::vector<double> total = widened(sums);
    for (std::int64_t r = 0; r < rows.rows; ++r) {
      const std::vector<double> values = widened(rows, r);
      for (std::size_t c = 0; c < values.size(); ++c) {
        total[c] += values[c];
      }
    }
    std::ranges::transform(total, sums.begin(), [](double sum) { return static_cast<float>(sum); });
  }

  void run_scale_rows(std::span<const float> factors, const RowsView& rows) override {
    for (std::int64_t r = 0; r < rows.rows; ++r) {
      std::vector<double> values = widened(rows, r);
      for (double& value : values) {
        value *= static_cast<double>(factors[static_cast<std::size_t>(r)]);
      }
      narrow(values, rows, r);
    }
  }

  void run_find_row_maxima(const ConstRowsView& rows, const RowMaxima& maxima) override {
    for (std::int64_t r = 0; r < rows.rows; ++r) {
      float maximum = -std::numeric_limits<float>::infinity();
      std::int64_t index = 0;
      for (std::int64_t c = 0; c < rows.columns; ++c) {
        if (rows.row<float>(r)[c] > maximum) {
          maximum = rows.row<float>(r)[c];
          index = c;
        }
      }
      maxima.maximum[static_cast<std::size_t>(r)] = maximum;
      maxima.index[static_cast<std::size_t>(r)] = static_cast<std::int32_t>(index);
    }
  }

  void run_gather_rows(const ConstRowsView& from, std::span<const std::int32_t> index, const RowsView& to) override {
    for (std::int64_t r = 0; r < to.rows; ++r) {
      const std::int64_t source = index[static_cast<std::size_t>(r)];
      if (source < 0) {
        run_fill_zero_rows(to.row_range(r, 1));
      } else {
        run_copy_rows(from.row_range(source, 1), to.row_range(r, 1));
      }
    }
  }

  void run_scatter_rows(const ConstRowsView& from, std::span<const std::int32_t> index, const RowsView& to) override {
    for (std::int64_t r = 0; r < from.rows; ++r) {
      const std::int64_t target = index[static_cast<std::size_t>(r)];
      if (target >= 0) {
        run_copy_rows(from.row_range(r, 1), to.row_range(target, 1));
      }
    }
  }
};

}  // namespace

std::unique_ptr<TensorOps> make_reference_tensor_ops(const KernelOptions& /*options*/) {
  return std::make_unique<ReferenceTensorOps>();
}

}  // namespace ringworld
