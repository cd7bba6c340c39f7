#include <vector>

#include "kernels/reconstruction_loss/reconstruction_loss.hpp"
#include "kernels/reconstruction_loss/reference/reconstruction_loss.hpp"

namespace ringworld {
namespace {

std::vector<double> frame_of(const TensorView<const float, 2>& frames, std::int64_t n) {
  const float* begin = frames.data + n * frames.shape[1];
  return {begin, begin + frames.shape[1]};
}

class ReferenceReconstructionLoss final : public ReconstructionLoss {
  void run_forward_backward(const ReconstructionLossPass& pass) override {
    const double doubled_squared_scale = 2 * static_cast<double>(pass.squared_scale);
    for (std::int64_t n = 0; n < pass.target.shape[0]; ++n) {
      const std::vector<double> reconstruction = frame_of(pass.reconstruction, n);
      const std::vector<double> target = frame_of(pass.target, n);
      const auto sums = reference::reconstruction_sums<double>(reconstruction, target);
      pass.absolute_and_squared(n, 0) = static_cast<float>(sums.absolute);
      pass.absolute_and_squared(n, 1) = static_cast<float>(sums.squared);
      if (pass.dreconstruction.is_null()) {
        continue;
      }
      float* gradient = pass.dreconstruction.data + n * pass.target.shape[1];
      for (std::size_t i = 0; i < target.size(); ++i) {
        gradient[i] = static_cast<float>(reference::reconstruction_gradient<double>(
            reconstruction[i] - target[i], static_cast<double>(pass.absolute_scale), doubled_squared_scale));
      }
    }
  }
};

}  // namespace

std::unique_ptr<ReconstructionLoss> make_reference_reconstruction_loss(const KernelOptions& /*options*/) {
  return std::make_unique<ReferenceReconstructionLoss>();
}

}  // namespace ringworld
