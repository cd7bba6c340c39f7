#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "device/buffer.hpp"
#include "device/cuda/launch.cuh"
#include "device/cuda/native_stream.hpp"
#include "device/device.hpp"
#include "kernels/elementwise/cuda/aligned.hpp"
#include "kernels/elementwise/cuda/block_reduce.cuh"
#include "kernels/elementwise/cuda/column_sums.hpp"
#include "kernels/elementwise/cuda/launch_shape.hpp"
#include "kernels/elementwise/cuda/map_rows.cuh"
#include "kernels/elementwise/cuda/multiprocessors.hpp"
#include "kernels/elementwise/cuda/pack.cuh"
#include "kernels/elementwise/cuda/rows.cuh"
#include "kernels/elementwise/cuda/sweep_row.cuh"
#include "kernels/tensor/tensor.hpp"

namespace ringworld {
namespace {

using row::Floats;
using row::Pack;
using row::Rows;
using row::rows_of;

/// Writes a pack as it is, or converts it.
template <class To, class From, int Width>
__device__ __forceinline__ void store_converted(To* to, const Pack<From, Width>& pack) {
  if constexpr (std::is_same_v<From, To>) {
    row::store<Width>(to, pack);
  } else {
    row::store_floats(to, row::widened(pack));
  }
}

/// Elements of a pack where types mix: whole accesses of the narrower type.
template <class... Types>
inline constexpr int common_width = std::max({row::access_width<Types>...});

template <class T>
struct FillZero {
  static constexpr int width = row::access_width<T>;
  static constexpr int unroll = 4;
  Rows<T> rows;

  struct Nothing {};
  template <int Width>
  __device__ __forceinline__ Nothing load(std::int64_t /*row*/, std::int64_t /*column*/) const {
    return {};
  }
  template <int Width>
  __device__ __forceinline__ void finish(std::int64_t row, std::int64_t column, const Nothing& /*nothing*/) const {
    row::store<Width>(rows.at(row, column), Pack<T, Width>{});
  }
};

template <class From, class To>
struct CopyRows {
  static constexpr int width = common_width<From, To>;
  static constexpr int unroll = 4;
  Rows<const From> from;
  Rows<To> to;

  template <int Width>
  __device__ __forceinline__ Pack<From, Width> load(std::int64_t row, std::int64_t column) const {
    return row::load<Width>(from.at(row, column));
  }
  template <int Width>
  __device__ __forceinline__ void finish(std::int64_t row, std::int64_t column, const Pack<From, Width>& pack) const {
    store_converted(to.at(row, column), pack);
  }
};

/// Where an element of a (B, T, H, D) tensor lies; a row is a token, its columns are the elements of all heads.
struct HeadsLayout {
  std::uint32_t tokens = 0;
  std::uint32_t head_size = 0;
  std::array<std::int64_t, 3> from_strides;
  std::array<std::int64_t, 3> to_strides;

  struct Place {
    std::int64_t from;
    std::int64_t to;
  };
  /// Divisions of 64 bits would take longer than memory does.
  __device__ __forceinline__ Place place(std::int64_t row, std::int64_t column) const {
    const auto token = static_cast<std::uint32_t>(row);
    const auto element = static_cast<std::uint32_t>(column);
    const std::uint32_t position[3] = {token / tokens, token % tokens, element / head_size};
    Place found{element % head_size, element % head_size};
#pragma unroll
    for (int axis = 0; axis < 3; ++axis) {
      found.from += position[axis] * from_strides[axis];
      found.to += position[axis] * to_strides[axis];
    }
    return found;
  }
};

template <class From, class To>
struct CopyActivations {
  static constexpr int width = common_width<From, To>;
  static constexpr int unroll = 2;
  const From* from = nullptr;
  To* to = nullptr;
  HeadsLayout layout;

  template <int Width>
  struct Operands {
    To* target;
    Pack<From, Width> pack;
  };
  template <int Width>
  __device__ __forceinline__ Operands<Width> load(std::int64_t row, std::int64_t column) const {
    const HeadsLayout::Place place = layout.place(row, column);
    return {to + place.to, row::load<Width>(from + place.from)};
  }
  template <int Width>
  __device__ __forceinline__ void finish(std::int64_t /*row*/, std::int64_t /*column*/,
                                         const Operands<Width>& operands) const {
    store_converted(operands.target, operands.pack);
  }
};

/// Rows are the first two extents. Loading and storing a float changes no bit of an integer.
struct CopyStrided {
  static constexpr int width = 4;
  static constexpr int unroll = 2;
  const float* from = nullptr;
  float* to = nullptr;
  std::int64_t second_extent = 0;
  std::array<std::int64_t, 3> from_strides;
  std::array<std::int64_t, 3> to_strides;

  __device__ __forceinline__ std::int64_t offset(const std::array<std::int64_t, 3>& strides, std::int64_t row,
                                                 std::int64_t column) const {
    return row / second_extent * strides[0] + row % second_extent * strides[1] + column * strides[2];
  }
  template <int Width>
  __device__ __forceinline__ Pack<float, Width> load(std::int64_t row, std::int64_t column) const {
    return row::load<Width>(from + offset(from_strides, row, column));
  }
  template <int Width>
  __device__ __forceinline__ void finish(std::int64_t row, std::int64_t column, const Pack<float, Width>& pack) const {
    row::store<Width>(to + offset(to_strides, row, column), pack);
  }
};

/// to = a + b, of which `a` is one row for all or has rows of its own.
template <class T>
struct AddRows {
  static constexpr int width = common_width<float, T>;
  static constexpr int unroll = 2;
  Rows<const float> a;
  Rows<T> to;

  template <int Width>
  struct Operands {
    Pack<float, Width> a;
    Pack<T, Width> b;
  };
  template <int Width>
  __device__ __forceinline__ Operands<Width> load(std::int64_t row, std::int64_t column) const {
    return {row::load<Width>(a.at(row, column)), row::load<Width>(static_cast<const T*>(to.at(row, column)))};
  }
  template <int Width>
  __device__ __forceinline__ void finish(std::int64_t row, std::int64_t column, const Operands<Width>& operands) const {
    const Floats<Width> more = row::widened(operands.a);
    Floats<Width> sum = row::widened(operands.b);
#pragma unroll
    for (int i = 0; i < Width; ++i) {
      sum[i] += more[i];
    }
    row::store_floats(to.at(row, column), sum);
  }
};

template <class T>
struct ScaleRows {
  static constexpr int width = row::access_width<T>;
  static constexpr int unroll = 4;
  const float* factors = nullptr;
  Rows<T> rows;

  template <int Width>
  __device__ __forceinline__ Pack<T, Width> load(std::int64_t row, std::int64_t column) const {
    return row::load<Width>(static_cast<const T*>(rows.at(row, column)));
  }
  template <int Width>
  __device__ __forceinline__ void finish(std::int64_t row, std::int64_t column, const Pack<T, Width>& pack) const {
    Floats<Width> numbers = row::widened(pack);
#pragma unroll
    for (int i = 0; i < Width; ++i) {
      numbers[i] *= factors[row];
    }
    row::store_floats(rows.at(row, column), numbers);
  }
};

template <class T>
struct GatherRows {
  static constexpr int width = row::access_width<T>;
  static constexpr int unroll = 4;
  Rows<const T> from;
  const std::int32_t* index = nullptr;
  Rows<T> to;

  template <int Width>
  __device__ __forceinline__ Pack<T, Width> load(std::int64_t row, std::int64_t column) const {
    const std::int64_t source = index[row];
    return source < 0 ? Pack<T, Width>{} : row::load<Width>(from.at(source, column));
  }
  template <int Width>
  __device__ __forceinline__ void finish(std::int64_t row, std::int64_t column, const Pack<T, Width>& pack) const {
    row::store<Width>(to.at(row, column), pack);
  }
};

template <class T>
struct ScatterRows {
  static constexpr int width = row::access_width<T>;
  static constexpr int unroll = 4;
  Rows<const T> from;
  const std::int32_t* index = nullptr;
  Rows<T> to;

  template <int Width>
  __device__ __forceinline__ Pack<T, Width> load(std::int64_t row, std::int64_t column) const {
    return row::load<Width>(from.at(row, column));
  }
  template <int Width>
  __device__ __forceinline__ void finish(std::int64_t row, std::int64_t column, const Pack<T, Width>& pack) const {
    const std::int64_t target = index[row];
    if (target >= 0) {
      row::store<Width>(to.at(target, column), pack);
    }
  }
};

constexpr int sum_threads = 128;
constexpr int rows_in_flight = 8;

/// partial(range, c) = sum of column c over the rows of a range.
template <class T, int Width>
__global__ void __launch_bounds__(sum_threads)
    column_sum_kernel(Rows<const T> rows, std::int64_t row_count, std::int64_t columns, float* partial) {
  const std::int64_t column = (static_cast<std::int64_t>(blockIdx.y) * sum_threads + threadIdx.x) * Width;
  if (column >= columns) {
    return;
  }
  const std::int64_t range = blockIdx.x;
  const std::int64_t begin = range * row_count / gridDim.x;
  const std::int64_t end = (range + 1) * row_count / gridDim.x;
  Floats<Width> sum = {};
  for (std::int64_t first = begin; first < end; first += rows_in_flight) {
    Pack<T, Width> packs[rows_in_flight];
#pragma unroll
    for (int i = 0; i < rows_in_flight; ++i) {
      if (first + i < end) {
        packs[i] = row::load<Width>(rows.at(first + i, column));
      }
    }
#pragma unroll
    for (int i = 0; i < rows_in_flight; ++i) {
      if (first + i < end) {
        const Floats<Width> more = row::widened(packs[i]);
#pragma unroll
        for (int j = 0; j < Width; ++j) {
          sum[j] += more[j];
        }
      }
    }
  }
  float* target = partial + range * columns + column;
#pragma unroll
  for (int j = 0; j < Width; ++j) {
    target[j] = sum[j];
  }
}

constexpr int packs_in_flight = 4;

/// The largest number so far and its first column.
struct Maximum {
  float value;
  int index;
};

__device__ __forceinline__ Maximum shuffled(Maximum maximum, int distance) {
  return {row::shuffled(maximum.value, distance), row::shuffled(maximum.index, distance)};
}

struct Larger {
  __device__ __forceinline__ Maximum operator()(const Maximum& a, const Maximum& b) const {
    const bool is_first = a.value > b.value || (a.value == b.value && a.index < b.index);
    return is_first ? a : b;
  }
};

template <int Width>
__global__ void __launch_bounds__(row::most_sweep_threads)
    row_maximum_kernel(Rows<const float> rows, std::int64_t row_count, std::int64_t columns, float* maximum,
                       std::int32_t* index) {
  __shared__ row::BlockScratch<Maximum> scratch;
  int side = 0;
  for (std::int64_t t = blockIdx.x; t < row_count; t += gridDim.x) {
    Maximum best{-INFINITY, 0};
    row::sweep_row<Width, packs_in_flight>(rows.at(t, 0), columns, [&](std::int64_t column, const auto& numbers) {
      constexpr int width = sizeof(numbers) / sizeof(float);
#pragma unroll
      for (int i = 0; i < width; ++i) {
        // A thread goes through its columns in rising order: the first of equals stays. NaN is larger than nothing.
        if (numbers[i] > best.value) {
          best = {numbers[i], static_cast<int>(column) + i};
        }
      }
    });
    best = row::block_reduce(best, Maximum{-INFINITY, 0}, Larger{}, scratch, side);
    side = 1 - side;
    if (threadIdx.x == 0) {
      maximum[t] = best.value;
      index[t] = best.index;
    }
  }
}

/// Both operands seen as rows; a flat range is one row.
Rows<const float> as_row(std::span<const float> values) { return {values.data(), 0}; }

class CudaTensorOps final : public TensorOps {
 private:
  void run_fill_zero(void* to, std::int64_t bytes) override { device_.fill_zero(to, bytes, stream_); }

  void run_fill_zero_rows(const RowsView& rows) override {
    if (rows.row_stride == rows.columns || rows.rows == 1) {
      run_fill_zero(rows.data, rows.rows * rows.columns * size_of(rows.dtype));
      return;
    }
    with_type(rows.dtype, [&](auto element) {
      row::map_rows(FillZero<decltype(element)>{rows_of<decltype(element)>(rows)}, rows.rows, rows.columns,
                    row::is_aligned(rows));
    });
  }

  void run_copy(const void* from, void* to, std::int64_t bytes) override { device_.copy(to, from, bytes, stream_); }

  void run_copy_rows(const ConstRowsView& from, const RowsView& to) override {
    const bool is_one_row = from.row_stride == from.columns && to.row_stride == to.columns;
    const std::int64_t rows = is_one_row ? 1 : from.rows;
    const std::int64_t columns = is_one_row ? from.rows * from.columns : from.columns;
    with_type(from.dtype, [&](auto from_element) {
      with_type(to.dtype, [&](auto to_element) {
        using From = decltype(from_element);
        using To = decltype(to_element);
        row::map_rows(CopyRows<From, To>{rows_of<From>(from), rows_of<To>(to)}, rows, columns,
                      row::is_aligned(from) && row::is_aligned(to));
      });
    });
  }

  void run_copy_activations(const ConstActivationView& from, const ActivationView& to) override {
    constexpr std::int64_t countable = std::numeric_limits<std::uint32_t>::max();
    const std::int64_t rows = from.batch() * from.tokens();
    const std::int64_t columns = from.heads() * from.head_size();
    require(rows <= countable && columns <= countable, "activations on cuda: tokens are counted in 32 bits");
    const auto strides_of = [](const auto& view) {
      return std::array{view.strides[0], view.strides[1], view.strides[2]};
    };
    const HeadsLayout layout{.tokens = static_cast<std::uint32_t>(from.tokens()),
                             .head_size = static_cast<std::uint32_t>(from.head_size()),
                             .from_strides = strides_of(from),
                             .to_strides = strides_of(to)};
    with_type(from.dtype, [&](auto from_element) {
      with_type(to.dtype, [&](auto to_element) {
        using From = decltype(from_element);
        using To = decltype(to_element);
        using Copy = CopyActivations<From, To>;
        const bool has_packs = from.head_size() % Copy::width == 0 && row::is_aligned(from) && row::is_aligned(to);
        row::map_rows(Copy{static_cast<const From*>(from.data), static_cast<To*>(to.data), layout}, rows, columns,
                      has_packs);
      });
    });
  }

  void run_copy_strided(const StridedCopy& copy) override {
    const auto fits = [&](const std::array<std::int64_t, 3>& strides) {
      return (copy.shape[0] == 1 || strides[0] % CopyStrided::width == 0) &&
             (copy.shape[1] == 1 || strides[1] % CopyStrided::width == 0) && strides[2] == 1;
    };
    const bool has_packs =
        row::is_aligned(copy.from) && row::is_aligned(copy.to) && fits(copy.from_strides) && fits(copy.to_strides);
    row::map_rows(CopyStrided{static_cast<const float*>(copy.from), static_cast<float*>(copy.to), copy.shape[1],
                              copy.from_strides, copy.to_strides},
                  copy.shape[0] * copy.shape[1], copy.shape[2], has_packs);
  }

  void run_add(std::span<const float> from, std::span<float> to) override {
    row::map_rows(AddRows<float>{as_row(from), {to.data(), 0}}, 1, std::ssize(from),
                  row::is_aligned(from) && row::is_aligned(to));
  }

  void run_add_to_rows(std::span<const float> row, const RowsView& rows) override {
    with_type(rows.dtype, [&](auto element) {
      using T = decltype(element);
      row::map_rows(AddRows<T>{as_row(row), rows_of<T>(rows)}, rows.rows, rows.columns,
                    row::is_aligned(row) && row::is_aligned(rows));
    });
  }

  void run_add_column_sums(const ConstRowsView& rows, std::span<float> sums) override {
    const std::int64_t ranges = row::sum_ranges(rows.rows);
    const std::int64_t bytes = ranges * rows.columns * static_cast<std::int64_t>(sizeof(float));
    if (partial_.bytes() < bytes) {
      partial_ = Buffer(bytes, DeviceKind::cuda);
    }
    with_type(rows.dtype, [&](auto element) {
      using T = decltype(element);
      constexpr int width = row::access_width<T>;
      const bool has_packs = rows.columns % width == 0 && row::is_aligned(rows);
      const std::int64_t chunks = row::divided_up(rows.columns, sum_threads * (has_packs ? width : 1));
      launch(has_packs ? column_sum_kernel<T, width> : column_sum_kernel<T, 1>,
             {.grid = dim3(static_cast<unsigned>(ranges), static_cast<unsigned>(chunks)), .block = dim3(sum_threads)},
             native_compute_stream(), rows_of<T>(rows), rows.rows, rows.columns, partial_.as<float>());
    });
    row::add_partial_sums(partial_.as<float>(), ranges, rows.columns, sums.data());
  }

  void run_scale_rows(std::span<const float> factors, const RowsView& rows) override {
    with_type(rows.dtype, [&](auto element) {
      using T = decltype(element);
      row::map_rows(ScaleRows<T>{factors.data(), rows_of<T>(rows)}, rows.rows, rows.columns, row::is_aligned(rows));
    });
  }

  void run_find_row_maxima(const ConstRowsView& rows, const RowMaxima& maxima) override {
    const bool has_packs = row::is_aligned(rows);
    const row::SweepShape sweep = row::sweep_shape(rows.rows, row::divided_up(rows.columns, has_packs ? 4 : 1),
                                                   packs_in_flight, row::multiprocessors());
    launch(has_packs ? row_maximum_kernel<4> : row_maximum_kernel<1>,
           {.grid = dim3(static_cast<unsigned>(sweep.blocks)), .block = dim3(static_cast<unsigned>(sweep.threads))},
           native_compute_stream(), rows_of<float>(rows), rows.rows, rows.columns, maxima.maximum.data(),
           maxima.index.data());
  }

  void run_gather_rows(const ConstRowsView& from, std::span<const std::int32_t> index, const RowsView& to) override {
    with_type(to.dtype, [&](auto element) {
      using T = decltype(element);
      row::map_rows(GatherRows<T>{rows_of<T>(from), index.data(), rows_of<T>(to)}, to.rows, to.columns,
                    row::is_aligned(from) && row::is_aligned(to));
    });
  }

  void run_scatter_rows(const ConstRowsView& from, std::span<const std::int32_t> index, const RowsView& to) override {
    with_type(to.dtype, [&](auto element) {
      using T = decltype(element);
      row::map_rows(ScatterRows<T>{rows_of<T>(from), index.data(), rows_of<T>(to)}, from.rows, from.columns,
                    row::is_aligned(from) && row::is_aligned(to));
    });
  }

  Device& device_ = cuda_device();
  Stream& stream_ = device_.compute_stream();
  Buffer partial_;  // of column sums: (ranges, C)
};

}  // namespace

std::unique_ptr<TensorOps> make_cuda_tensor_ops(const KernelOptions& /*options*/) {
  return std::make_unique<CudaTensorOps>();
}

}  // namespace ringworld
