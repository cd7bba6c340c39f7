/// @file  Convolution on CPUs: products of packed frames and packed weights (host/packing.hpp), without a matrix of
/// patches in memory.

#include <vector>

#include "kernels/convolution/convolution.hpp"
#include "kernels/convolution/host/correlation.hpp"
#include "kernels/convolution/host/tiles.hpp"
#include "kernels/convolution/host/weight_gradient.hpp"

namespace ringworld {
namespace {

using host_convolution::Correlation;

Correlation forward_of(const ConvolutionExtents& e) {
  return {.kernel = e.shape.kernel,
          .stride = e.shape.stride,
          .pad_begin = e.shape.pad_begin,
          .frames = e.frames,
          .height = e.height,
          .width = e.width,
          .channels = e.inputs,
          .out_height = e.out_height(),
          .out_width = e.out_width()};
}

/// The gradient of x: dy, with the stride's zeros between its pixels, correlated with the flipped weight.
Correlation backward_of(const ConvolutionExtents& e) {
  return {.kernel = e.shape.kernel,
          .stride = 1,
          .pad_begin = e.shape.kernel - 1 - e.shape.pad_begin,
          .dilation = e.shape.stride,
          .frames = e.frames,
          .height = e.out_height(),
          .width = e.out_width(),
          .channels = e.outputs,
          .out_height = e.height,
          .out_width = e.width};
}

class HostConvolution final : public Convolution {
 public:
  explicit HostConvolution(const KernelOptions& options) : threads_(options.threads) {}

 private:
  void run_forward(const ConvolutionForward& pass) override {
    const ConvolutionExtents e(pass.shape, pass.x.shape, pass.weight.shape);
    correlate(
        {.correlation = forward_of(e),
         .input = pass.x.data,
         .weight = host_convolution::pack_weight(pass.weight.data, e.taps() * e.inputs, e.outputs, threads_, weight_),
         .outputs = e.outputs,
         .bias = pass.bias,
         .addend = pass.residual,
         .out = pass.y.data});
  }

  void run_backward(const ConvolutionBackward& pass) override {
    const ConvolutionExtents e(pass.shape, pass.x.shape, pass.weight.shape);
    const host_convolution::WeightGradientPass weight_pass{.correlation = forward_of(e),
                                                           .input = pass.x.data,
                                                           .gradient = pass.dy.data,
                                                           .outputs = e.outputs,
                                                           .dweight = pass.dweight.data};
    if (has_tiles(weight_pass.correlation, e.outputs)) {
      add_weight_gradient_of_tiles(weight_pass, multiply_, transforms_, threads_, tiles_);
    } else {
      add_weight_gradient(weight_pass, multiply_, threads_, scratch_);
    }
    if (pass.dbias != nullptr) {
      host_convolution::add_bias_gradient(pass.dy.data, e.out_pixels(), e.outputs, threads_, pass.dbias,
                                          scratch_.dweight);
    }
    if (!pass.dx.is_null()) {
      correlate({.correlation = backward_of(e),
                 .input = pass.dy.data,
                 .weight = host_convolution::pack_flipped_weight(pass.weight.data, e.taps(), e.inputs, e.outputs,
                                                                 threads_, weight_),
                 .outputs = e.inputs,
                 .addend = pass.adds_to_dx ? pass.dx.data : nullptr,
                 .out = pass.dx.data});
    }
  }

  void correlate(const host_convolution::CorrelationPass& pass) {
    if (has_tiles(pass.correlation, pass.outputs)) {
      correlate_tiles(pass, multiply_, transforms_, threads_, tiles_);
    } else {
      host_convolution::correlate(pass, multiply_, threads_, scratch_.input);
    }
  }

  int threads_;
  host_convolution::Multiply multiply_ = host_convolution::multiply_of(selected_isa());
  host_convolution::TileTransforms transforms_ = host_convolution::tile_transforms_of(selected_isa());
  std::vector<float> weight_;  ///< packed
  host_convolution::TileScratch tiles_;
  host_convolution::WeightGradientScratch scratch_;
};

}  // namespace

std::unique_ptr<Convolution> make_host_convolution(const KernelOptions& options) {
  return std::make_unique<HostConvolution>(options);
}

}  // namespace ringworld
