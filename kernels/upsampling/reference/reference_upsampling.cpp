#include "kernels/upsampling/reference/upsampling.hpp"

#include <algorithm>
#include <vector>

#include "kernels/upsampling/upsampling.hpp"

namespace ringworld {
namespace {

class ReferenceUpsampling final : public Upsampling {
  void run_forward(const UpsamplingForward& pass) override {
    reference::upsample<float>(pass.x.shape, {pass.x.data, static_cast<std::size_t>(pass.x.size())},
                               {pass.y.data, static_cast<std::size_t>(pass.y.size())});
  }

  void run_backward(const UpsamplingBackward& pass) override {
    const std::vector<double> dy(pass.dy.data, pass.dy.data + pass.dy.size());
    std::vector<double> dx(static_cast<std::size_t>(pass.dx.size()));
    reference::upsample_backward<double>(pass.dx.shape, dy, dx);
    std::ranges::transform(dx, pass.dx.data, [](double value) { return static_cast<float>(value); });
  }
};

}  // namespace

std::unique_ptr<Upsampling> make_reference_upsampling(const KernelOptions& /*options*/) {
  return std::make_unique<ReferenceUpsampling>();
}

}  // namespace ringworld
