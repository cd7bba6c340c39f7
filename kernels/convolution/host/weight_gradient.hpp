#pragma once
/// @file  The backward pass by the weight and by the bias.

#include "kernels/convolution/host/packing.hpp"
#include "kernels/convolution/host/product.hpp"

namespace ringworld::host_convolution {

struct WeightGradientPass {
  Correlation correlation;  ///< of the forward pass
  const float* input = nullptr;
  const float* gradient = nullptr;  ///< (frames, out_height, out_width, outputs)
  std::int64_t outputs = 0;
  float* dweight = nullptr;  ///< (kernel, kernel, channels, outputs), added to
};

struct WeightGradientScratch {
  std::vector<float> input;     ///< packed
  std::vector<float> gradient;  ///< (pixels, padded outputs)
  std::vector<float> dweight;   ///< (taps, channels, padded outputs)
};

/// dweight[a, b, i, o] += sum over pixels of input * gradient. An element is summed by one thread, groups of frames and
/// rows of pixels in their order.
void add_weight_gradient(const WeightGradientPass& pass, Multiply multiply, int threads,
                         WeightGradientScratch& scratch);

/// dbias[o] += sum over pixels of gradient[pixel, o]: ranges of pixels in fp32, these in double and in their order.
void add_bias_gradient(const float* gradient, std::int64_t pixels, std::int64_t outputs, int threads, float* dbias,
                       std::vector<float>& memory);

}  // namespace ringworld::host_convolution
