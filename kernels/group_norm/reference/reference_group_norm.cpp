#include <algorithm>
#include <span>
#include <vector>

#include "kernels/group_norm/group_norm.hpp"
#include "kernels/group_norm/reference/group_norm.hpp"

namespace ringworld {
namespace {

/// Elements n * count .. (n + 1) * count, exactly.
std::vector<double> widened(const float* values, std::int64_t n, std::int64_t count) {
  return {values + n * count, values + (n + 1) * count};
}

void narrow(std::span<const double> values, float* to, std::int64_t n) {
  std::ranges::transform(values, to + n * std::ssize(values), [](double value) { return static_cast<float>(value); });
}

class ReferenceGroupNorm final : public GroupNorm {
  void run_forward(const GroupNormForward& pass) override {
    const std::int64_t channels = pass.x.shape[3];
    const std::vector<double> scale = widened(pass.scale, 0, channels);
    const std::vector<double> bias = widened(pass.bias, 0, channels);
    const std::int64_t elements = pass.x.strides[0];
    std::vector<double> y(static_cast<std::size_t>(elements));
    std::vector<double> mean(static_cast<std::size_t>(pass.groups));
    std::vector<double> rstd = mean;
    for (std::int64_t n = 0; n < pass.x.shape[0]; ++n) {
      reference::group_norm<double>(widened(pass.x.data, n, elements), scale, bias, static_cast<double>(pass.epsilon),
                                    pass.activation, y, mean, rstd);
      narrow(y, pass.y.data, n);
      narrow(mean, pass.mean.data, n);
      narrow(rstd, pass.rstd.data, n);
    }
  }

  void run_backward(const GroupNormBackward& pass) override {
    const std::int64_t channels = pass.x.shape[3];
    const std::int64_t elements = pass.x.strides[0];
    std::vector<double> dscale = widened(pass.dscale, 0, channels);
    std::vector<double> dbias = widened(pass.dbias, 0, channels);
    for (std::int64_t n = 0; n < pass.x.shape[0]; ++n) {
      std::vector<double> dx = widened(pass.dx.data, n, elements);
      reference::group_norm_backward<double>(
          widened(pass.dy.data, n, elements), widened(pass.x.data, n, elements), widened(pass.scale, 0, channels),
          widened(pass.bias, 0, channels), pass.activation, widened(pass.mean.data, n, pass.groups),
          widened(pass.rstd.data, n, pass.groups), pass.adds_to_dx, dx, dscale, dbias);
      narrow(dx, pass.dx.data, n);
    }
    narrow(dscale, pass.dscale, 0);
    narrow(dbias, pass.dbias, 0);
  }
};

}  // namespace

std::unique_ptr<GroupNorm> make_reference_group_norm(const KernelOptions& /*options*/) {
  return std::make_unique<ReferenceGroupNorm>();
}

}  // namespace ringworld
