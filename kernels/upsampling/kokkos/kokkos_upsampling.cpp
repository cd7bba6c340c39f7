#include "kernels/elementwise/kokkos/launch.hpp"
#include "kernels/upsampling/upsampling.hpp"

namespace ringworld {
namespace {

/// `row` counts the rows of the large frames, `at` the floats of such a row.
struct ForwardKernel {
  const float* x;
  float* y;
  std::int64_t width;  ///< of the small frames
  std::int64_t channels;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t row, std::int64_t at) const {
    const std::int64_t column = at / channels / 2;
    y[row * 2 * width * channels + at] = x[(row / 2 * width + column) * channels + at % channels];
  }
};

/// `row` counts the rows of the small frames, `at` the floats of such a row.
struct BackwardKernel {
  const float* dy;
  float* dx;
  std::int64_t width;  ///< of the small frames
  std::int64_t channels;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t row, std::int64_t at) const {
    const float* upper = dy + row * 4 * width * channels + at / channels * 2 * channels + at % channels;
    const float* lower = upper + 2 * width * channels;
    dx[row * width * channels + at] = (upper[0] + upper[channels]) + (lower[0] + lower[channels]);
  }
};

class KokkosUpsampling final : public Upsampling {
  void run_forward(const UpsamplingForward& pass) override {
    const auto& [frames, height, width, channels] = pass.x.shape;
    kokkos::for_each_element("ringworld::upsampling::forward", frames * 2 * height, 2 * width * channels,
                             ForwardKernel{.x = pass.x.data, .y = pass.y.data, .width = width, .channels = channels});
  }

  void run_backward(const UpsamplingBackward& pass) override {
    const auto& [frames, height, width, channels] = pass.dx.shape;
    kokkos::for_each_element(
        "ringworld::upsampling::backward", frames * height, width * channels,
        BackwardKernel{.dy = pass.dy.data, .dx = pass.dx.data, .width = width, .channels = channels});
  }
};

}  // namespace

std::unique_ptr<Upsampling> make_kokkos_upsampling(const KernelOptions& /*options*/) {
  return std::make_unique<KokkosUpsampling>();
}

}  // namespace ringworld
