#include <vector>

#include "kernels/convolution/convolution.hpp"
#include "kernels/convolution/reference/convolution.hpp"

namespace ringworld {
namespace {

/// In double; empty where there is nothing.
std::vector<double> widened(const float* values, std::int64_t count) {
  return values == nullptr ? std::vector<double>() : std::vector<double>(values, values + count);
}

void narrow(const std::vector<double>& values, float* to) {
  for (std::size_t index = 0; index < values.size(); ++index) {
    to[index] = static_cast<float>(values[index]);
  }
}

class ReferenceConvolution final : public Convolution {
  void run_forward(const ConvolutionForward& pass) override {
    const ConvolutionExtents extents(pass.shape, pass.x.shape, pass.weight.shape);
    const std::vector<double> x = widened(pass.x.data, pass.x.size());
    const std::vector<double> weight = widened(pass.weight.data, pass.weight.size());
    const std::vector<double> bias = widened(pass.bias, extents.outputs);
    const std::vector<double> residual = widened(pass.residual, pass.y.size());
    std::vector<double> y(static_cast<std::size_t>(pass.y.size()));
    reference::convolve<double>(extents, x, weight, bias, residual, y);
    narrow(y, pass.y.data);
  }

  void run_backward(const ConvolutionBackward& pass) override {
    const ConvolutionExtents extents(pass.shape, pass.x.shape, pass.weight.shape);
    const std::vector<double> dy = widened(pass.dy.data, pass.dy.size());
    if (!pass.dx.is_null()) {
      std::vector<double> dx(static_cast<std::size_t>(pass.dx.size()));
      if (pass.adds_to_dx) {
        dx = widened(pass.dx.data, pass.dx.size());
      }
      reference::convolve_backward_data<double>(extents, dy, widened(pass.weight.data, pass.weight.size()), dx);
      narrow(dx, pass.dx.data);
    }
    std::vector<double> dweight = widened(pass.dweight.data, pass.dweight.size());
    std::vector<double> dbias = widened(pass.dbias, extents.outputs);
    reference::convolve_backward_weight<double>(extents, dy, widened(pass.x.data, pass.x.size()), dweight, dbias);
    narrow(dweight, pass.dweight.data);
    narrow(dbias, pass.dbias);
  }
};

}  // namespace

std::unique_ptr<Convolution> make_reference_convolution(const KernelOptions& /*options*/) {
  return std::make_unique<ReferenceConvolution>();
}

}  // namespace ringworld
