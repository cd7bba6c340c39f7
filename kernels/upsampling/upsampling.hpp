#pragma once
/// @file  Nearest-neighbour up-sampling by two: each pixel becomes a block of 2 x 2 pixels.
/// Shapes: N frames of H x W pixels, C channels; fp32, channels last, dense.
///
///   a b         a a b b
///   c d   ->    a a b b      backward: a pixel's gradient is the sum over its block
///               c c d d
///               c c d d

#include <memory>

#include "core/tensor_view.hpp"
#include "device/backend.hpp"
#include "kernels/contract/kernel.hpp"
#include "kernels/contract/kernel_options.hpp"

namespace ringworld {

struct UpsamplingForward {
  TensorView<const float, 4> x;  ///< (N, H, W, C)
  TensorView<float, 4> y;        ///< (N, 2H, 2W, C), overwritten; must not overlap x
};

struct UpsamplingBackward {
  TensorView<const float, 4> dy;  ///< (N, 2H, 2W, C)
  TensorView<float, 4> dx;        ///< (N, H, W, C), overwritten; must not overlap dy
};

/// Any extent may be 0.
class Upsampling : public Kernel {
 public:
  /// @throws Error when a view is not dense or the shapes contradict each other.
  /// Cost: one pass over x and y.
  void forward(const UpsamplingForward& pass);
  /// @throws Error as `forward` does.
  /// Cost: one pass over dy and dx.
  void backward(const UpsamplingBackward& pass);

 private:
  // The computation of a backend; operands are checked and the cost is charged before these calls.
  virtual void run_forward(const UpsamplingForward& pass) = 0;
  virtual void run_backward(const UpsamplingBackward& pass) = 0;
};

/// @throws Error(bad_input) when the backend was not built.
[[nodiscard]] std::unique_ptr<Upsampling> make_upsampling(Backend backend, const KernelOptions& options = {});

}  // namespace ringworld
