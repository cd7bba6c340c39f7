#include "kernels/upsampling/upsampling.hpp"

#include "core/error.hpp"
#include "kernels/upsampling/cost.hpp"

namespace ringworld {
namespace {

void check(const TensorView<const float, 4>& small, const TensorView<const float, 4>& large) {
  const auto& [frames, height, width, channels] = small.shape;
  require(large.shape == std::array{frames, 2 * height, 2 * width, channels},
          "up-sampling: the large frames are not twice as high and wide as the small ones, of as many channels");
  require(small.strides == row_major_strides(small.shape) && large.strides == row_major_strides(large.shape),
          "up-sampling: an operand is not dense");
}

}  // namespace

void Upsampling::forward(const UpsamplingForward& pass) {
  check(pass.x, pass.y);
  charge(cost_of(pass));
  run_forward(pass);
}

void Upsampling::backward(const UpsamplingBackward& pass) {
  check(pass.dx, pass.dy);
  charge(cost_of(pass));
  run_backward(pass);
}

}  // namespace ringworld
