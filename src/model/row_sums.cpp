#include "model/row_sums.hpp"

#include "comm/collectives.hpp"
#include "core/isa.hpp"
#include "kernels/row/row_functions.hpp"

namespace ringworld {
namespace {

const row::RowFunctions& functions() { return row::row_functions(selected_isa()); }

}  // namespace

void add_bias(const RowsView& y, std::span<const float> bias) {
  with_type(y.dtype, [&](auto element) {
    using T = decltype(element);
    for (std::int64_t t = 0; t < y.rows; ++t) {
      T* values = y.row<T>(t);
      for (std::size_t c = 0; c < bias.size(); ++c) {
        values[c] = static_cast<T>(static_cast<float>(values[c]) + bias[c]);
      }
    }
  });
}

void add_bias_gradient(const ConstRowsView& dy, std::span<float> dbias) {
  with_type(dy.dtype, [&](auto element) {
    using T = decltype(element);
    const auto& typed = functions().of<T>();
    for (std::int64_t t = 0; t < dy.rows; ++t) {
      typed.add(dy.row<T>(t), dbias.data(), dy.columns);
    }
  });
}

void copy_rows(const ConstRowsView& from, const RowsView& to) {
  with_type(to.dtype, [&](auto element) {
    using T = decltype(element);
    const auto& typed = functions().of<T>();
    for (std::int64_t t = 0; t < from.rows; ++t) {
      if (from.dtype == DType::float32) {
        typed.copy_float32(from.row<float>(t), to.row<T>(t), from.columns);
      } else {
        typed.copy_bfloat16(from.row<bf16>(t), to.row<T>(t), from.columns);
      }
    }
  });
}

void sum_over_ranks(const Communicator& communicator, const RowsView& rows, float* scratch) {
  if (communicator.size() == 1) {
    return;
  }
  const auto count = static_cast<std::size_t>(rows.rows * rows.columns);
  if (rows.dtype == DType::float32) {
    all_reduce(communicator, std::span(static_cast<float*>(rows.data), count), Reduction::sum);
    return;
  }
  const RowsView sums(scratch, DType::float32, {rows.rows, rows.columns});
  copy_rows(rows, sums);
  all_reduce(communicator, std::span(scratch, count), Reduction::sum);
  copy_rows(sums, rows);
}

}  // namespace ringworld
