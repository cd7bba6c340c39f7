#pragma once
/// @file  Group normalisation of images, with the activation behind it in the same pass.
/// Source: Wu, He, "Group Normalization", arXiv:1803.08494, equations 1 to 6; SiLU: Elfwing, Uchibe, Doya,
/// arXiv:1702.03118, equation 2.
/// Shapes: N frames, H height, W width, C channels (last, fastest), G groups of C / G neighbouring channels.
///
///   mean, var over the H W C / G elements of a frame's group     rstd = 1 / sqrt(var + epsilon)
///   u = scale * (x - mean) * rstd + bias     y = activation(u),  silu(u) = u / (1 + e^-u)
///
/// The variance is that of the distance from the mean, never a difference of large sums, so a group whose mean is large
/// against its spread loses no digits.

#include <cstdint>
#include <memory>

#include "core/tensor_view.hpp"
#include "device/backend.hpp"
#include "kernels/contract/kernel.hpp"
#include "kernels/contract/kernel_options.hpp"

namespace ringworld {

enum class Activation : std::uint8_t { none, silu };

struct GroupNormForward {
  std::int64_t groups = 32;
  float epsilon = 1e-6F;
  Activation activation = Activation::none;
  TensorView<const float, 4> x;  ///< (N, H, W, C)
  const float* scale = nullptr;  ///< (C)
  const float* bias = nullptr;   ///< (C)
  TensorView<float, 4> y;        ///< (N, H, W, C), overwritten; may be x
  TensorView<float, 2> mean;     ///< (N, G), overwritten
  TensorView<float, 2> rstd;     ///< (N, G), overwritten
};

struct GroupNormBackward {
  std::int64_t groups = 32;
  Activation activation = Activation::none;
  TensorView<const float, 4> dy;    ///< (N, H, W, C)
  TensorView<const float, 4> x;     ///< (N, H, W, C)
  const float* scale = nullptr;     ///< (C)
  const float* bias = nullptr;      ///< (C)
  TensorView<const float, 2> mean;  ///< (N, G), of the forward pass
  TensorView<const float, 2> rstd;  ///< (N, G), of the forward pass
  TensorView<float, 4> dx;          ///< (N, H, W, C); may be dy, unless it is added to
  bool adds_to_dx = false;          ///< whether dx is added to; otherwise it is overwritten
  float* dscale = nullptr;          ///< (C), added to
  float* dbias = nullptr;           ///< (C), added to
};

/// Views are dense. A frame's results do not depend on the frames beside it, nor anything on threads; gradients of
/// scale and bias are sums in a fixed order. An object owns its scratch memory and serves one thread at a time.
class GroupNorm : public Kernel {
 public:
  /// @throws Error when a shape contradicts another, a view is not dense, or the groups do not divide the channels.
  /// Cost: one pass over x and y.
  void forward(const GroupNormForward& pass);
  /// Cost: one pass over dy, x and dx.
  void backward(const GroupNormBackward& pass);

 private:
  // The computation of a backend; operands are checked and the cost is charged before these calls.
  virtual void run_forward(const GroupNormForward& pass) = 0;
  virtual void run_backward(const GroupNormBackward& pass) = 0;
};

/// @throws Error(bad_input) when the backend was not built.
[[nodiscard]] std::unique_ptr<GroupNorm> make_group_norm(Backend backend, const KernelOptions& options = {});

}  // namespace ringworld
