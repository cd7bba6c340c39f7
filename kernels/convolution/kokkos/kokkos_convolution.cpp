/// @file  Convolution on any Kokkos execution space, plain: one work item sums one element of a result, in a fixed order;
/// sums over all pixels are in double.

#include "kernels/convolution/convolution.hpp"
#include "kernels/elementwise/kokkos/launch.hpp"

namespace ringworld {
namespace {

/// Extents in a kernel, whose members functions of the host cannot be.
struct Sizes {
  std::int64_t kernel, stride, pad;
  std::int64_t height, width, inputs;
  std::int64_t out_height, out_width, outputs, frames;

  explicit Sizes(const ConvolutionExtents& e)
      : kernel(e.shape.kernel),
        stride(e.shape.stride),
        pad(e.shape.pad_begin),
        height(e.height),
        width(e.width),
        inputs(e.inputs),
        out_height(e.out_height()),
        out_width(e.out_width()),
        outputs(e.outputs),
        frames(e.frames) {}
};

struct ForwardKernel {
  Sizes e;
  const float* x;
  const float* weight;
  const float* bias;
  const float* residual;
  float* y;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t pixel, std::int64_t o) const {
    const std::int64_t frame = pixel / (e.out_height * e.out_width);
    const std::int64_t row = pixel / e.out_width % e.out_height * e.stride - e.pad;
    const std::int64_t column = pixel % e.out_width * e.stride - e.pad;
    float sum = 0;
    for (std::int64_t a = 0; a < e.kernel; ++a) {
      for (std::int64_t b = 0; b < e.kernel; ++b) {
        if (row + a < 0 || row + a >= e.height || column + b < 0 || column + b >= e.width) {
          continue;
        }
        const float* from = x + ((frame * e.height + row + a) * e.width + column + b) * e.inputs;
        const float* factors = weight + (a * e.kernel + b) * e.inputs * e.outputs + o;
        for (std::int64_t i = 0; i < e.inputs; ++i) {
          sum += from[i] * factors[i * e.outputs];
        }
      }
    }
    const std::int64_t index = pixel * e.outputs + o;
    sum = bias == nullptr ? sum : sum + bias[o];
    y[index] = residual == nullptr ? sum : sum + residual[index];
  }
};

/// The output pixel whose tap `tap` reads `in`: none where the stride jumps over it, or it lies outside.
KOKKOS_INLINE_FUNCTION bool find_out(std::int64_t in, std::int64_t tap, std::int64_t pad, std::int64_t stride,
                                     std::int64_t side, std::int64_t& out) {
  const std::int64_t moved = in + pad - tap;
  out = moved / stride;
  return moved >= 0 && moved % stride == 0 && out < side;
}

struct DataGradientKernel {
  Sizes e;
  const float* dy;
  const float* weight;
  float* dx;
  bool is_adding;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t pixel, std::int64_t i) const {
    const std::int64_t frame = pixel / (e.height * e.width);
    const std::int64_t row = pixel / e.width % e.height;
    const std::int64_t column = pixel % e.width;
    float sum = 0;
    for (std::int64_t a = 0; a < e.kernel; ++a) {
      for (std::int64_t b = 0; b < e.kernel; ++b) {
        std::int64_t out_row = 0;
        std::int64_t out_column = 0;
        if (!find_out(row, a, e.pad, e.stride, e.out_height, out_row) ||
            !find_out(column, b, e.pad, e.stride, e.out_width, out_column)) {
          continue;
        }
        const float* from = dy + ((frame * e.out_height + out_row) * e.out_width + out_column) * e.outputs;
        const float* factors = weight + ((a * e.kernel + b) * e.inputs + i) * e.outputs;
        for (std::int64_t o = 0; o < e.outputs; ++o) {
          sum += from[o] * factors[o];
        }
      }
    }
    float& to = dx[pixel * e.inputs + i];
    to = is_adding ? to + sum : sum;
  }
};

/// Row (tap, i) and column o of dweight; the sum over all pixels is in double, for it is long.
struct WeightGradientKernel {
  Sizes e;
  const float* dy;
  const float* x;
  float* dweight;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t at, std::int64_t o) const {
    const std::int64_t i = at % e.inputs;
    const std::int64_t a = at / e.inputs / e.kernel - e.pad;
    const std::int64_t b = at / e.inputs % e.kernel - e.pad;
    double sum = 0;
    for (std::int64_t line = 0; line < e.frames * e.out_height; ++line) {
      const std::int64_t row = line % e.out_height * e.stride + a;
      if (row < 0 || row >= e.height) {
        continue;
      }
      const float* from = x + (line / e.out_height * e.height + row) * e.width * e.inputs + i;
      for (std::int64_t out = 0; out < e.out_width; ++out) {
        const std::int64_t column = out * e.stride + b;
        if (column >= 0 && column < e.width) {
          sum += static_cast<double>(dy[(line * e.out_width + out) * e.outputs + o] * from[column * e.inputs]);
        }
      }
    }
    float& to = dweight[at * e.outputs + o];
    to = static_cast<float>(to + sum);
  }
};

struct BiasGradientKernel {
  const float* dy;
  float* dbias;
  std::int64_t pixels;
  std::int64_t outputs;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t o) const {
    double sum = dbias[o];
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
      sum += static_cast<double>(dy[pixel * outputs + o]);
    }
    dbias[o] = static_cast<float>(sum);
  }
};

class KokkosConvolution final : public Convolution {
  void run_forward(const ConvolutionForward& pass) override {
    const ConvolutionExtents e(pass.shape, pass.x.shape, pass.weight.shape);
    kokkos::for_each_element("ringworld::convolution::forward", e.out_pixels(), e.outputs,
                             ForwardKernel{.e = Sizes(e),
                                           .x = pass.x.data,
                                           .weight = pass.weight.data,
                                           .bias = pass.bias,
                                           .residual = pass.residual,
                                           .y = pass.y.data});
  }

  void run_backward(const ConvolutionBackward& pass) override {
    const ConvolutionExtents e(pass.shape, pass.x.shape, pass.weight.shape);
    if (!pass.dx.is_null()) {
      kokkos::for_each_element("ringworld::convolution::data_gradient", e.in_pixels(), e.inputs,
                               DataGradientKernel{.e = Sizes(e),
                                                  .dy = pass.dy.data,
                                                  .weight = pass.weight.data,
                                                  .dx = pass.dx.data,
                                                  .is_adding = pass.adds_to_dx});
    }
    kokkos::for_each_element(
        "ringworld::convolution::weight_gradient", e.taps() * e.inputs, e.outputs,
        WeightGradientKernel{.e = Sizes(e), .dy = pass.dy.data, .x = pass.x.data, .dweight = pass.dweight.data});
    if (pass.dbias != nullptr) {
      kokkos::for_each(
          "ringworld::convolution::bias_gradient", e.outputs,
          BiasGradientKernel{.dy = pass.dy.data, .dbias = pass.dbias, .pixels = e.out_pixels(), .outputs = e.outputs});
    }
  }
};

}  // namespace

std::unique_ptr<Convolution> make_kokkos_convolution(const KernelOptions& /*options*/) {
  return std::make_unique<KokkosConvolution>();
}

}  // namespace ringworld
