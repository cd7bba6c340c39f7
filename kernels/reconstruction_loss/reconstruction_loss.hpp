#pragma once
/// @file  How far reconstructed frames are from their originals: absolute and squared differences, and their gradient.
/// Source: Esser, Rombach, Ommer, "Taming Transformers", arXiv:2012.09841, section 3.1 (without its perceptual part).
/// Shapes: N frames of E elements (height * width * channels).
///
///   loss = absolute_scale * sum |x' - x| + squared_scale * sum (x' - x)^2      x' the reconstruction, x the original

#include <cstdint>
#include <memory>

#include "core/tensor_view.hpp"
#include "device/backend.hpp"
#include "kernels/contract/kernel.hpp"
#include "kernels/contract/kernel_options.hpp"

namespace ringworld {

struct ReconstructionLossPass {
  TensorView<const float, 2> reconstruction;  ///< (N, E)
  TensorView<const float, 2> target;          ///< (N, E)
  float absolute_scale = 0;
  float squared_scale = 0;
  TensorView<float, 2> absolute_and_squared;  ///< (N, 2): the two sums of a frame, not scaled; overwritten
  TensorView<float, 2> dreconstruction;       ///< (N, E), overwritten, may be reconstruction; null: not wanted
};

/// Views are dense. A frame's results do not depend on the frames beside it, nor anything on threads. The absolute
/// value has the gradient 0 at 0. An object owns its scratch memory and serves one thread at a time.
class ReconstructionLoss : public Kernel {
 public:
  /// @throws Error when a shape contradicts another or a view is not dense.
  /// Cost: one pass over reconstruction, target and, where it is wanted, dreconstruction.
  void forward_backward(const ReconstructionLossPass& pass);

 private:
  // The computation of a backend; operands are checked and the cost is charged before this call.
  virtual void run_forward_backward(const ReconstructionLossPass& pass) = 0;
};

/// @throws Error(bad_input) when the backend was not built.
[[nodiscard]] std::unique_ptr<ReconstructionLoss> make_reconstruction_loss(Backend backend,
                                                                           const KernelOptions& options = {});

}  // namespace ringworld
