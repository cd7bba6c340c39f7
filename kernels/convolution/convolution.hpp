#pragma once
/// @file  Two-dimensional convolution of frames with zero padding: the contract that every backend keeps.
/// Source: Esser, Rombach, Ommer, "Taming Transformers for High-Resolution Image Synthesis", arXiv:2012.09841 (the
/// VQGAN whose layers these are). As in every framework the kernel is not flipped: it is a correlation.
/// Shapes: N frames of H x W pixels, I input and O output channels, k x k taps; fp32, channels last, dense.
///
///   y[n, r, c, o] = bias[o] + sum over a, b, i of x[n, r s + a - p, c s + b - p, i] weight[a, b, i, o]  (+ residual)
///
/// with stride s and p = pad_begin; x is 0 outside of the frame.
///
///   pad_begin = pad_end = 1, s = 1       pad_begin = 0, pad_end = 1, s = 2     the down-sampling of LWM's VQGAN pads
///     0 0 0 0 0 0                           x x x x 0                          below and to the right only
///     0 x x x x 0                           x x x x 0
///     0 x x x x 0                           x x x x 0
///     0 0 0 0 0 0                           0 0 0 0 0

#include <memory>

#include "core/tensor_view.hpp"
#include "device/backend.hpp"
#include "kernels/contract/kernel.hpp"
#include "kernels/contract/kernel_options.hpp"
#include "kernels/convolution/extents.hpp"

namespace ringworld {

struct ConvolutionForward {
  ConvolutionShape shape;
  TensorView<const float, 4> x;       ///< (N, H, W, I)
  TensorView<const float, 4> weight;  ///< (k, k, I, O)
  const float* bias = nullptr;        ///< (O); null: none
  const float* residual = nullptr;    ///< like y, added to the result; may be y; null: none
  TensorView<float, 4> y;             ///< (N, H', W', O), overwritten; must not overlap x
};

struct ConvolutionBackward {
  ConvolutionShape shape;
  TensorView<const float, 4> dy;      ///< (N, H', W', O)
  TensorView<const float, 4> x;       ///< (N, H, W, I)
  TensorView<const float, 4> weight;  ///< (k, k, I, O)
  TensorView<float, 4> dx;            ///< (N, H, W, I), overwritten; null: not wanted
  bool adds_to_dx = false;            ///< the gradient is added to dx instead
  TensorView<float, 4> dweight;       ///< (k, k, I, O), added to
  float* dbias = nullptr;             ///< (O), added to; null: not wanted
};

/// An object owns its scratch memory and serves one thread at a time. A frame's y and dx are the same bit for bit
/// whichever frames are beside it and however many threads there are; the sums over pixels in dweight and dbias are
/// taken in an order that the shape alone decides.
class Convolution : public Kernel {
 public:
  /// @throws Error when a view is not dense, a shape contradicts another, a pad is not smaller than the kernel, or the
  ///   kernel does not fit into the padded frame. N may be 0.
  /// Cost: about 2 N H' W' k^2 I O FLOP.
  void forward(const ConvolutionForward& pass);
  /// @throws Error as `forward` does.
  /// Cost: about twice that of `forward`, once where dx is not wanted.
  void backward(const ConvolutionBackward& pass);

 private:
  // The computation of a backend; operands are checked and the cost is charged before these calls.
  virtual void run_forward(const ConvolutionForward& pass) = 0;
  virtual void run_backward(const ConvolutionBackward& pass) = 0;
};

/// @throws Error(bad_input) when the backend was not built.
[[nodiscard]] std::unique_ptr<Convolution> make_convolution(Backend backend, const KernelOptions& options = {});

}  // namespace ringworld
