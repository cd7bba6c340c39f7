#include <algorithm>
#include <string>
#include <type_traits>

#include "core/error.hpp"
#include "device/buffer.hpp"
#include "device/cuda/launch.cuh"
#include "device/cuda/native_stream.hpp"
#include "kernels/elementwise/cuda/aligned.hpp"
#include "kernels/elementwise/cuda/block_reduce.cuh"
#include "kernels/elementwise/cuda/column_sums.hpp"
#include "kernels/elementwise/cuda/launch_shape.hpp"
#include "kernels/elementwise/cuda/multiprocessors.hpp"
#include "kernels/elementwise/cuda/pack.cuh"
#include "kernels/elementwise/cuda/rows.cuh"
#include "kernels/norm/norm.hpp"

/// @file  RMSNorm on NVIDIA GPUs. A block holds a row in its registers, `Packs` packs of `Width` elements a thread:
///
///   thread      0      1    ...  n - 1    0      1    ...         so every access is dense over a warp, and all loads
///   row      | pack | pack | ... | pack | pack | pack | ... |     of a thread are in flight before the first is used

namespace ringworld {
namespace {

using row::Floats;
using row::Pack;
using row::Rows;
using row::rows_of;

template <class T>
struct ForwardOperands {
  Rows<const T> x;
  Rows<const T> branch;  // null: nothing is added
  Rows<T> sum;
  const float* weight = nullptr;
  Rows<T> y;
  float* inverse_rms = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  float epsilon = 0;
};

/// Calls `body(i, column)` for the packs i of this thread that lie in the row.
template <int Width, int Packs, class Body>
__device__ __forceinline__ void for_each_pack(std::int64_t columns, const Body& body) {
#pragma unroll
  for (int i = 0; i < Packs; ++i) {
    const std::int64_t column = (static_cast<std::int64_t>(i) * blockDim.x + threadIdx.x) * Width;
    if (column < columns) {
      body(i, column);
    }
  }
}

template <class T, int Width, int Packs, bool HasBranch>
__global__ void __launch_bounds__(row::most_row_threads) forward_kernel(ForwardOperands<T> operands) {
  __shared__ row::BlockScratch<float> scratch;
  int side = 0;
  for (std::int64_t t = blockIdx.x; t < operands.rows; t += gridDim.x) {
    Pack<T, Width> x[Packs];
    Pack<T, Width> branch[HasBranch ? Packs : 1];
    for_each_pack<Width, Packs>(operands.columns, [&](int i, std::int64_t column) {
      x[i] = row::load<Width>(operands.x.at(t, column));
      if constexpr (HasBranch) {
        branch[i] = row::load<Width>(operands.branch.at(t, column));
      }
    });
    float squares = 0;
    for_each_pack<Width, Packs>(operands.columns, [&](int i, std::int64_t column) {
      if constexpr (HasBranch) {
        const Floats<Width> a = row::widened(x[i]);
        const Floats<Width> b = row::widened(branch[i]);
        Floats<Width> sum;
#pragma unroll
        for (int j = 0; j < Width; ++j) {
          sum[j] = a[j] + b[j];
        }
        // Statistics of what the backward pass will read: the rounded sum.
        x[i] = row::narrowed<T>(sum);
        row::store<Width>(operands.sum.at(t, column), x[i]);
      }
      const Floats<Width> s = row::widened(x[i]);
#pragma unroll
      for (int j = 0; j < Width; ++j) {
        squares += s[j] * s[j];
      }
    });
    const float mean =
        row::block_reduce(squares, 0.0F, row::Sum{}, scratch, side) / static_cast<float>(operands.columns);
    side = 1 - side;
    const float inverse_rms = 1.0F / sqrtf(mean + operands.epsilon);
    if (threadIdx.x == 0) {
      operands.inverse_rms[t] = inverse_rms;
    }
    for_each_pack<Width, Packs>(operands.columns, [&](int i, std::int64_t column) {
      const Floats<Width> weight = row::load_floats<Width>(operands.weight + column);
      const Floats<Width> s = row::widened(x[i]);
      Floats<Width> y;
#pragma unroll
      for (int j = 0; j < Width; ++j) {
        y[j] = s[j] * inverse_rms * weight[j];
      }
      row::store_floats(operands.y.at(t, column), y);
    });
  }
}

template <class T>
struct BackwardOperands {
  Rows<const T> dy;
  Rows<const T> x;
  const float* weight = nullptr;
  const float* inverse_rms = nullptr;
  Rows<const T> residual_gradient;  // null: nothing is added
  Rows<T> dx;
  float* partial = nullptr;  // (ranges, C): sums of dy n over the rows of a range
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t ranges = 0;
};

/// With n = x / rms: dx = (w dy - n mean(w dy n)) / rms, dw = sum over rows of dy n. A block takes one range of rows.
template <class T, int Width, int Packs, bool HasResidual>
__global__ void __launch_bounds__(row::most_row_threads) backward_kernel(BackwardOperands<T> operands) {
  __shared__ row::BlockScratch<float> scratch;
  int side = 0;
  const std::int64_t range = blockIdx.x;
  const std::int64_t begin = range * operands.rows / operands.ranges;
  const std::int64_t end = (range + 1) * operands.rows / operands.ranges;
  Floats<Width> dweight[Packs] = {};
  for (std::int64_t t = begin; t < end; ++t) {
    Pack<T, Width> dy[Packs];
    Pack<T, Width> x[Packs];
    Pack<T, Width> residual[HasResidual ? Packs : 1];
    for_each_pack<Width, Packs>(operands.columns, [&](int i, std::int64_t column) {
      dy[i] = row::load<Width>(operands.dy.at(t, column));
      x[i] = row::load<Width>(operands.x.at(t, column));
      if constexpr (HasResidual) {
        residual[i] = row::load<Width>(operands.residual_gradient.at(t, column));
      }
    });
    const float inverse_rms = operands.inverse_rms[t];
    float dots = 0;
    for_each_pack<Width, Packs>(operands.columns, [&](int i, std::int64_t column) {
      const Floats<Width> weight = row::load_floats<Width>(operands.weight + column);
      const Floats<Width> gradient = row::widened(dy[i]);
      const Floats<Width> value = row::widened(x[i]);
#pragma unroll
      for (int j = 0; j < Width; ++j) {
        const float normal = value[j] * inverse_rms;
        dots += gradient[j] * weight[j] * normal;
        dweight[i][j] += gradient[j] * normal;
      }
    });
    const float mean = row::block_reduce(dots, 0.0F, row::Sum{}, scratch, side) / static_cast<float>(operands.columns);
    side = 1 - side;
    for_each_pack<Width, Packs>(operands.columns, [&](int i, std::int64_t column) {
      const Floats<Width> weight = row::load_floats<Width>(operands.weight + column);
      const Floats<Width> gradient = row::widened(dy[i]);
      const Floats<Width> value = row::widened(x[i]);
      Floats<Width> dx;
#pragma unroll
      for (int j = 0; j < Width; ++j) {
        dx[j] = (gradient[j] * weight[j] - value[j] * inverse_rms * mean) * inverse_rms;
      }
      if constexpr (HasResidual) {
        const Floats<Width> more = row::widened(residual[i]);
#pragma unroll
        for (int j = 0; j < Width; ++j) {
          dx[j] += more[j];
        }
      }
      row::store_floats(operands.dx.at(t, column), dx);
    });
  }
  for_each_pack<Width, Packs>(operands.columns, [&](int i, std::int64_t column) {
    row::store_floats(operands.partial + range * operands.columns + column, dweight[i]);
  });
}

/// Calls `function` with the width and the number of packs a thread as compile-time constants, and the threads of a
/// block.
/// @throws Error(bad_input) when a row is longer than a block can hold
template <class T, class Function>
void with_row_shape(std::int64_t columns, bool has_packs, const Function& function) {
  using Width = std::integral_constant<int, row::access_width<T>>;
  using One = std::integral_constant<int, 1>;
  const row::RowShape shape = row::row_shape(columns, has_packs ? Width() : 1);
  switch (shape.packs) {
    case 1:
      return function(Width(), One(), shape.threads);
    case 2:
      return function(Width(), std::integral_constant<int, 2>(), shape.threads);
    case 4:
      return function(Width(), std::integral_constant<int, 4>(), shape.threads);
    case row::most_single_packs:
      return function(One(), std::integral_constant<int, row::most_single_packs>(), shape.threads);
    default:
      throw Error(ErrorKind::bad_input,
                  "RMSNorm on cuda: rows of " + std::to_string(columns) + " columns are longer than a block can hold");
  }
}

class CudaRmsNorm final : public RmsNorm {
  void run_forward(const RmsNormForward& pass) override {
    with_type(pass.x.dtype, [&](auto element) { forward_typed<decltype(element)>(pass); });
  }

  void run_backward(const RmsNormBackward& pass) override {
    with_type(pass.x.dtype, [&](auto element) { backward_typed<decltype(element)>(pass); });
  }

  template <class T>
  static void forward_typed(const RmsNormForward& pass) {
    const std::int64_t columns = pass.x.columns;
    const bool has_packs = columns % row::access_width<T> == 0 && row::is_aligned(pass.x) &&
                           row::is_aligned(pass.branch) && row::is_aligned(pass.sum) && row::is_aligned(pass.y) &&
                           row::is_aligned(pass.weight);
    const ForwardOperands<T> operands{.x = rows_of<T>(pass.x),
                                      .branch = rows_of<T>(pass.branch),
                                      .sum = rows_of<T>(pass.sum),
                                      .weight = pass.weight.data(),
                                      .y = rows_of<T>(pass.y),
                                      .inverse_rms = pass.inverse_rms.data(),
                                      .rows = pass.x.rows,
                                      .columns = columns,
                                      .epsilon = pass.epsilon};
    with_row_shape<T>(columns, has_packs, [&](auto width, auto packs, std::int64_t threads) {
      const std::int64_t resident =
          row::multiprocessors() * std::min(row::resident_blocks, row::resident_threads / threads);
      const LaunchShape shape{.grid = dim3(static_cast<unsigned>(std::min(pass.x.rows, resident))),
                              .block = dim3(static_cast<unsigned>(threads))};
      if (pass.branch.is_null()) {
        launch(forward_kernel<T, width(), packs(), false>, shape, native_compute_stream(), operands);
      } else {
        launch(forward_kernel<T, width(), packs(), true>, shape, native_compute_stream(), operands);
      }
    });
  }

  template <class T>
  void backward_typed(const RmsNormBackward& pass) {
    const std::int64_t columns = pass.x.columns;
    const std::int64_t ranges = row::sum_ranges(pass.x.rows);
    const std::int64_t bytes = ranges * columns * static_cast<std::int64_t>(sizeof(float));
    if (partial_.bytes() < bytes) {
      partial_ = Buffer(bytes, DeviceKind::cuda);
    }
    const bool has_packs = columns % row::access_width<T> == 0 && row::is_aligned(pass.dy) && row::is_aligned(pass.x) &&
                           row::is_aligned(pass.residual_gradient) && row::is_aligned(pass.dx) &&
                           row::is_aligned(pass.weight);
    const BackwardOperands<T> operands{.dy = rows_of<T>(pass.dy),
                                       .x = rows_of<T>(pass.x),
                                       .weight = pass.weight.data(),
                                       .inverse_rms = pass.inverse_rms.data(),
                                       .residual_gradient = rows_of<T>(pass.residual_gradient),
                                       .dx = rows_of<T>(pass.dx),
                                       .partial = partial_.as<float>(),
                                       .rows = pass.x.rows,
                                       .columns = columns,
                                       .ranges = ranges};
    with_row_shape<T>(columns, has_packs, [&](auto width, auto packs, std::int64_t threads) {
      const LaunchShape shape{.grid = dim3(static_cast<unsigned>(ranges)),
                              .block = dim3(static_cast<unsigned>(threads))};
      if (pass.residual_gradient.is_null()) {
        launch(backward_kernel<T, width(), packs(), false>, shape, native_compute_stream(), operands);
      } else {
        launch(backward_kernel<T, width(), packs(), true>, shape, native_compute_stream(), operands);
      }
    });
    row::add_partial_sums(partial_.as<float>(), ranges, columns, pass.dweight.data());
  }

  Buffer partial_;  // (ranges, C)
};

}  // namespace

std::unique_ptr<RmsNorm> make_cuda_rms_norm(const KernelOptions& /*options*/) {
  static_cast<void>(cuda_device());  // says what is missing where there is no GPU
  return std::make_unique<CudaRmsNorm>();
}

}  // namespace ringworld
