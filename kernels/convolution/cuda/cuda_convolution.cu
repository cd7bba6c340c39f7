#include <limits>
#include <type_traits>

#include "core/error.hpp"
#include "device/buffer.hpp"
#include "device/cuda/launch.cuh"
#include "device/cuda/native_stream.hpp"
#include "device/device.hpp"
#include "kernels/convolution/convolution.hpp"
#include "kernels/convolution/cuda/pixels.cuh"
#include "kernels/convolution/cuda/scratch.hpp"
#include "kernels/convolution/cuda/tile_product.cuh"
#include "kernels/elementwise/cuda/aligned.hpp"
#include "kernels/elementwise/cuda/column_sums.hpp"
#include "kernels/elementwise/cuda/launch_shape.hpp"
#include "kernels/elementwise/cuda/multiprocessors.hpp"

/// @file  Convolution on NVIDIA GPUs as products of matrices that are gathered as they are read (implicit GEMM), fp32:
///
///   forward            y (pixels, O)            = patches of x (pixels, taps I)  weight (taps I, O)
///   gradient by data   dx (pixels, I)           = patches of dy (pixels, taps O) weight (taps O, I), class by class
///   by weight          dweight (taps I + 1, O) += patches of x, ones (taps I + 1, pixels) dy (pixels, O)
///
/// The row of ones gives dbias. A range of the pixels is one block's; a second kernel adds the ranges up in order.

namespace ringworld::convolution {
namespace {

using Wide = Tile<cuda_convolution_tile_rows, 64, 8>;
using Narrow = Tile<cuda_convolution_tile_rows, 16, 4>;

struct Sizes {
  int kernel, stride, pad;
  int height, width, inputs;
  int out_height, out_width, outputs;
  std::int64_t frames;

  explicit Sizes(const ConvolutionExtents& e)
      : kernel(narrowed(e.shape.kernel)),
        stride(narrowed(e.shape.stride)),
        pad(narrowed(e.shape.pad_begin)),
        height(narrowed(e.height)),
        width(narrowed(e.width)),
        inputs(narrowed(e.inputs)),
        out_height(narrowed(e.out_height())),
        out_width(narrowed(e.out_width())),
        outputs(narrowed(e.outputs)),
        frames(e.frames) {}

  __device__ __forceinline__ std::int64_t lines() const { return static_cast<std::int64_t>(kernel) * kernel * inputs; }

 private:
  // Sums of two or three of them stay far from overflow.
  static int narrowed(std::int64_t extent) {
    require(extent <= 1 << 28, "convolution on cuda: a side or the channels are more than 2^28");
    return static_cast<int>(extent);
  }
};

struct ForwardOperands {
  Sizes sizes;
  const float* x;
  const float* weight;
  const float* bias;
  const float* residual;
  float* y;
};

/// Grid: tiles of pixels, tiles of output channels.
template <class Tile, int Width>
__global__ void __launch_bounds__(Tile::threads) forward_kernel(ForwardOperands operands) {
  const Sizes& e = operands.sizes;
  const Axis down = Axis::forward(e.kernel, e.stride, e.pad, e.out_height);
  const Axis across = Axis::forward(e.kernel, e.stride, e.pad, e.out_width);
  const std::int64_t pixels = e.frames * e.out_height * e.out_width;
  const std::int64_t first_pixel = static_cast<std::int64_t>(blockIdx.x) * Tile::rows;
  const int first_column = static_cast<int>(blockIdx.y) * Tile::columns;
  PixelPatches<Tile, Width> patches({operands.x, e.height, e.width, e.inputs}, down, across, first_pixel, pixels);
  DenseLines<Tile, Width> weight(operands.weight, 0, e.lines(), e.outputs, first_column);
  const Results<Tile> results = multiply<Tile>(patches, weight, (e.lines() + depth - 1) / depth);
  write_pixels<Tile, Width>(results, {operands.y, e.out_height, e.out_width, e.outputs}, down, across, first_pixel,
                            pixels, first_column, operands.bias, operands.residual);
}

struct DataGradientOperands {
  Sizes sizes;
  const float* dy;
  const float* weight;
  float* dx;
  bool is_adding;
};

/// Grid: tiles of the pixels of the largest class, tiles of input channels, classes.
template <class Tile, int Width>
__global__ void __launch_bounds__(Tile::threads) data_gradient_kernel(DataGradientOperands operands) {
  const Sizes& e = operands.sizes;
  const int of_class = static_cast<int>(blockIdx.z);
  const Axis down = Axis::backward(e.kernel, e.stride, e.pad, e.height, of_class / e.stride);
  const Axis across = Axis::backward(e.kernel, e.stride, e.pad, e.width, of_class % e.stride);
  const std::int64_t pixels = e.frames * down.count * across.count;
  const std::int64_t first_pixel = static_cast<std::int64_t>(blockIdx.x) * Tile::rows;
  const int first_column = static_cast<int>(blockIdx.y) * Tile::columns;
  if (first_pixel >= pixels) {
    return;
  }
  PixelPatches<Tile, Width> patches({operands.dy, e.out_height, e.out_width, e.outputs}, down, across, first_pixel,
                                    pixels);
  TransposedWeight<Tile, Width> weight(operands.weight, e.kernel, down, across, e.inputs, e.outputs, first_column);
  const std::int64_t lines = static_cast<std::int64_t>(down.taps) * across.taps * e.outputs;
  const Results<Tile> results = multiply<Tile>(patches, weight, (lines + depth - 1) / depth);
  write_pixels<Tile, Width>(results, {operands.dx, e.height, e.width, e.inputs}, down, across, first_pixel, pixels,
                            first_column, nullptr, operands.is_adding ? operands.dx : nullptr);
}

struct WeightGradientOperands {
  Sizes sizes;
  const float* dy;
  const float* x;
  float* dweight;  // (ranges, taps I, O)
  float* dbias;    // (ranges, O)
  std::int64_t ranges;
};

/// a of the gradient by the weight: a line of the depth is what all taps and channels of the tile read for one pixel.
template <class Tile, int Width>
class WeightPatches {
 public:
  __device__ __forceinline__ WeightPatches(const Sizes& e, const float* x, std::int64_t first_row, std::int64_t begin,
                                           std::int64_t end)
      : x_{x, e.height, e.width, e.inputs}, e_(e), pixel_(begin + own_line()), end_(end) {
#pragma unroll
    for (int j = 0; j < held; ++j) {
      const std::int64_t row = first_row + own_slot() + j;
      const std::int64_t tap = row / e.inputs;
      is_one_[j] = row == e.lines();
      has_row_[j] = row < e.lines();
      rows_[j] = static_cast<int>(tap / e.kernel) - e.pad;
      columns_[j] = static_cast<int>(tap % e.kernel) - e.pad;
      channels_[j] = static_cast<int>(row % e.inputs);
    }
  }

  __device__ __forceinline__ void fetch() {
#pragma unroll
    for (int i = 0; i < count; ++i) {
      const std::int64_t pixel = pixel_ + i * lines_apart;
      const Place place(pixel, e_.out_height, e_.out_width);
      const int row = place.row * e_.stride;
      const int column = place.column * e_.stride;
      values_[i] = read<Width>([&](int j) -> const float* {
        return pixel < end_ && has_row_[j] && x_.has(row + rows_[j], column + columns_[j])
                   ? x_.data + x_.offset(place.frame, row + rows_[j], column + columns_[j]) + channels_[j]
                   : nullptr;
      });
#pragma unroll
      for (int j = 0; j < held; ++j) {
        if (is_one_[j] && pixel < end_) {
          values_[i][j] = 1;
        }
      }
    }
    pixel_ += depth;
  }
  __device__ __forceinline__ void put(Chunk<Tile::rows>& chunk) const {
#pragma unroll
    for (int i = 0; i < count; ++i) {
      chunk.put_along_line(own_line() + i * lines_apart, own_slot(), values_[i]);
    }
  }

 private:
  static constexpr int held = Width == 1 ? pack_width : 1;  // rows whose taps differ
  static constexpr int row_packs = Tile::rows / pack_width;
  static constexpr int lines_apart = Tile::threads / row_packs;
  static constexpr int count = depth / lines_apart;
  static __device__ __forceinline__ int own_line() { return static_cast<int>(threadIdx.x) / row_packs; }
  static __device__ __forceinline__ int own_slot() { return static_cast<int>(threadIdx.x) % row_packs * pack_width; }

  Frames<const float> x_;
  const Sizes& e_;
  std::int64_t pixel_;
  std::int64_t end_;
  bool is_one_[held];
  bool has_row_[held];
  int rows_[held];
  int columns_[held];
  int channels_[held];
  Floats<pack_width> values_[count];
};

/// Grid: tiles of rows of the weight and the row of ones, tiles of output channels, ranges of pixels.
template <class Tile, int Width>
__global__ void __launch_bounds__(Tile::threads) weight_gradient_kernel(WeightGradientOperands operands) {
  const Sizes& e = operands.sizes;
  const std::int64_t range = blockIdx.z;
  const std::int64_t pixels = e.frames * e.out_height * e.out_width;
  const std::int64_t begin = range * pixels / operands.ranges;
  const std::int64_t end = (range + 1) * pixels / operands.ranges;
  const std::int64_t first_row = static_cast<std::int64_t>(blockIdx.x) * Tile::rows;
  const std::int64_t first_column = static_cast<std::int64_t>(blockIdx.y) * Tile::columns;
  WeightPatches<Tile, Width> patches(e, operands.x, first_row, begin, end);
  DenseLines<Tile, Width> dy(operands.dy, begin, end, e.outputs, first_column);
  const Results<Tile> results = multiply<Tile>(patches, dy, (end - begin + depth - 1) / depth);
  const std::int64_t column = first_column + Tile::thread_column();
#pragma unroll
  for (int i = 0; i < Tile::thread_rows; ++i) {
    const std::int64_t row = first_row + Tile::thread_row() + i;
    if (row < e.lines()) {
      write<Width>(operands.dweight + (range * e.lines() + row) * e.outputs, column, e.outputs, results.rows[i]);
    } else if (row == e.lines()) {
      write<Width>(operands.dbias + range * e.outputs, column, e.outputs, results.rows[i]);
    }
  }
}

template <class... Pointers>
bool are_aligned(const Pointers*... pointers) {
  return (row::is_aligned(pointers) && ...);
}

/// Calls `function` with a tile and a width of accesses.
template <class Function>
void with_tile(bool is_wide, bool has_packs, const Function& function) {
  const auto with_width = [&](auto tile) {
    if (has_packs) {
      function(tile, std::integral_constant<int, pack_width>());
    } else {
      function(tile, std::integral_constant<int, 1>());
    }
  };
  if (is_wide) {
    with_width(Wide());
  } else {
    with_width(Narrow());
  }
}

template <class Tile>
LaunchShape grid_of(Tile /*tile*/, std::int64_t rows, std::int64_t columns, std::int64_t layers) {
  return {.grid = dim3(static_cast<unsigned>(row::divided_up(rows, Tile::rows)),
                       static_cast<unsigned>(row::divided_up(columns, Tile::columns)), static_cast<unsigned>(layers)),
          .block = dim3(Tile::threads)};
}

/// Wide tiles read less, narrow ones are more: where wide ones would leave multiprocessors idle, narrow ones are taken.
bool prefers_wide(std::int64_t pixels, std::int64_t channels) {
  return channels > Narrow::columns &&
         row::divided_up(pixels, Wide::rows) * row::divided_up(channels, Wide::columns) >= row::multiprocessors();
}

class CudaConvolution final : public Convolution {
  void run_forward(const ConvolutionForward& pass) override {
    const ConvolutionExtents e(pass.shape, pass.x.shape, pass.weight.shape);
    if (e.frames == 0) {
      return;
    }
    const ForwardOperands operands{.sizes = Sizes(e),
                                   .x = pass.x.data,
                                   .weight = pass.weight.data,
                                   .bias = pass.bias,
                                   .residual = pass.residual,
                                   .y = pass.y.data};
    const bool has_packs = has_packed_channels(e) && are_aligned(pass.x.data, pass.weight.data, pass.bias,
                                                                 pass.residual, pass.y.data);  // null is aligned
    with_tile(prefers_wide(e.out_pixels(), e.outputs), has_packs, [&](auto tile, auto width) {
      launch(forward_kernel<decltype(tile), width()>, grid_of(tile, e.out_pixels(), e.outputs, 1),
             native_compute_stream(), operands);
    });
  }

  void run_backward(const ConvolutionBackward& pass) override {
    const ConvolutionExtents e(pass.shape, pass.x.shape, pass.weight.shape);
    if (e.frames == 0) {
      return;
    }
    if (!pass.dx.is_null()) {
      run_data_gradient(e, pass);
    }
    run_weight_gradient(e, pass);
  }

  static void run_data_gradient(const ConvolutionExtents& e, const ConvolutionBackward& pass) {
    const std::int64_t stride = e.shape.stride;
    const std::int64_t classes = stride * stride;
    require(classes <= 65535, "convolution on cuda: a stride is more than 255");  // blocks of a grid in z
    const std::int64_t pixels = e.frames * row::divided_up(e.height, stride) * row::divided_up(e.width, stride);
    const DataGradientOperands operands{.sizes = Sizes(e),
                                        .dy = pass.dy.data,
                                        .weight = pass.weight.data,
                                        .dx = pass.dx.data,
                                        .is_adding = pass.adds_to_dx};
    const bool has_packs = has_packed_channels(e) && are_aligned(pass.dy.data, pass.weight.data, pass.dx.data);
    with_tile(prefers_wide(pixels * classes, e.inputs), has_packs, [&](auto tile, auto width) {
      launch(data_gradient_kernel<decltype(tile), width()>, grid_of(tile, pixels, e.inputs, classes),
             native_compute_stream(), operands);
    });
  }

  void run_weight_gradient(const ConvolutionExtents& e, const ConvolutionBackward& pass) {
    const std::int64_t bytes = cuda_convolution_floats(e) * static_cast<std::int64_t>(sizeof(float));
    if (sums_.bytes() < bytes) {
      sums_ = Buffer(bytes, DeviceKind::cuda);
    }
    const std::int64_t ranges = cuda_convolution_ranges(e);
    const std::int64_t lines = e.taps() * e.inputs;
    float* dweight = sums_.as<float>();
    float* dbias = dweight + ranges * lines * e.outputs;
    const WeightGradientOperands operands{
        .sizes = Sizes(e), .dy = pass.dy.data, .x = pass.x.data, .dweight = dweight, .dbias = dbias, .ranges = ranges};
    const bool is_wide = cuda_convolution_tile_columns(e.outputs) == Wide::columns;
    with_tile(is_wide, has_packed_channels(e) && are_aligned(pass.dy.data, pass.x.data), [&](auto tile, auto width) {
      const std::int64_t rows = pass.dbias == nullptr ? lines : lines + 1;
      launch(weight_gradient_kernel<decltype(tile), width()>, grid_of(tile, rows, e.outputs, ranges),
             native_compute_stream(), operands);
    });
    row::add_partial_sums(dweight, ranges, lines * e.outputs, pass.dweight.data);
    if (pass.dbias != nullptr) {
      row::add_partial_sums(dbias, ranges, e.outputs, pass.dbias);
    }
  }

  static bool has_packed_channels(const ConvolutionExtents& e) {
    return e.inputs % pack_width == 0 && e.outputs % pack_width == 0;
  }

  Buffer sums_;  // of the ranges: of dweight, then of dbias
};

}  // namespace
}  // namespace ringworld::convolution

namespace ringworld {

std::unique_ptr<Convolution> make_cuda_convolution(const KernelOptions& /*options*/) {
  static_cast<void>(cuda_device());  // says what is missing where there is no GPU
  return std::make_unique<convolution::CudaConvolution>();
}

}  // namespace ringworld
