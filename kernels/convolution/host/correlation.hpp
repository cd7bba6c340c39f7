#pragma once
/// @file  Correlation of frames with a packed weight: the forward pass, and the backward pass by data.

#include "kernels/convolution/host/packing.hpp"
#include "kernels/convolution/host/product.hpp"

namespace ringworld::host_convolution {

/// out = correlation of input with weight + bias + addend.
struct CorrelationPass {
  Correlation correlation;
  const float* input = nullptr;
  PackedWeight weight;
  std::int64_t outputs = 0;
  const float* bias = nullptr;    ///< (outputs), or null
  const float* addend = nullptr;  ///< like `out`, may be it; or null
  float* out = nullptr;           ///< (frames, out_height, out_width, outputs)
};

/// @param memory  scratch for the packed input, grows
void correlate(const CorrelationPass& pass, Multiply multiply, int threads, std::vector<float>& memory);

}  // namespace ringworld::host_convolution
