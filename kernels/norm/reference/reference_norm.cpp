#include "kernels/elementwise/widened_row.hpp"
#include "kernels/norm/norm.hpp"
#include "kernels/norm/reference/rms_norm.hpp"

namespace ringworld {
namespace {

using row::narrow;
using row::widened;

class ReferenceRmsNorm final : public RmsNorm {
  void run_forward(const RmsNormForward& pass) override {
    const std::vector<double> weight = widened(pass.weight);
    std::vector<double> y(weight.size());
    for (std::int64_t t = 0; t < pass.x.rows; ++t) {
      std::vector<double> x = widened(pass.x, t);
      if (!pass.branch.is_null()) {
        const std::vector<double> branch = widened(pass.branch, t);
        for (std::size_t c = 0; c < x.size(); ++c) {
          x[c] += branch[c];
        }
        narrow(x, pass.sum, t);
        x = widened(pass.sum, t);  // as the backward pass will read it
      }
      pass.inverse_rms[static_cast<std::size_t>(t)] =
          static_cast<float>(reference::rms_norm<double>(x, weight, static_cast<double>(pass.epsilon), y));
      narrow(y, pass.y, t);
    }
  }

  void run_backward(const RmsNormBackward& pass) override {
    const std::vector<double> weight = widened(pass.weight);
    std::vector<double> dweight = widened(pass.dweight);
    for (std::int64_t t = 0; t < pass.x.rows; ++t) {
      std::vector<double> dx(weight.size());
      if (!pass.residual_gradient.is_null()) {
        dx = widened(pass.residual_gradient, t);
      }
      reference::rms_norm_backward<double>(widened(pass.dy, t), widened(pass.x, t), weight,
                                           static_cast<double>(pass.inverse_rms[static_cast<std::size_t>(t)]), dx,
                                           dweight);
      narrow(dx, pass.dx, t);
    }
    for (std::size_t c = 0; c < dweight.size(); ++c) {
      pass.dweight[c] = static_cast<float>(dweight[c]);
    }
  }
};

}  // namespace

std::unique_ptr<RmsNorm> make_reference_rms_norm(const KernelOptions& /*options*/) {
  return std::make_unique<ReferenceRmsNorm>();
}

}  // namespace ringworld
