#include "kernels/group_norm/group_norm.hpp"

#include <array>

#include "core/error.hpp"
#include "kernels/group_norm/cost.hpp"

namespace ringworld {
namespace {

template <class Pass>
void check_statistics(const Pass& pass) {
  require(pass.groups > 0 && pass.x.shape[3] % pass.groups == 0, "group norm: the groups do not divide the channels");
  require(pass.x.shape[0] == 0 || pass.x.size() > 0, "group norm: frames without elements have no mean");
  require(pass.x.is_dense(), "group norm: x is not dense");
  const std::array<std::int64_t, 2> shape{pass.x.shape[0], pass.groups};
  require(pass.mean.shape == shape && pass.rstd.shape == shape, "group norm: mean or rstd is not (frames, groups)");
  require(pass.mean.is_dense() && pass.rstd.is_dense(), "group norm: mean or rstd is not dense");
  require(pass.scale != nullptr && pass.bias != nullptr, "group norm: scale or bias is missing");
}

void check(const GroupNormForward& pass) {
  check_statistics(pass);
  require(pass.y.shape == pass.x.shape && pass.y.is_dense(), "group norm: y has not the shape of x or is not dense");
}

void check(const GroupNormBackward& pass) {
  check_statistics(pass);
  require(pass.dy.shape == pass.x.shape && pass.dy.is_dense(), "group norm: dy has not the shape of x or is not dense");
  require(pass.dx.shape == pass.x.shape && pass.dx.is_dense(), "group norm: dx has not the shape of x or is not dense");
  require(!pass.adds_to_dx || pass.dx.size() == 0 || pass.dx.data != pass.dy.data,
          "group norm: dx is added to, so it cannot be dy");
  require(pass.dscale != nullptr && pass.dbias != nullptr, "group norm: dscale or dbias is missing");
}

}  // namespace

void GroupNorm::forward(const GroupNormForward& pass) {
  check(pass);
  charge(cost_of(pass));
  run_forward(pass);
}

void GroupNorm::backward(const GroupNormBackward& pass) {
  check(pass);
  charge(cost_of(pass));
  run_backward(pass);
}

}  // namespace ringworld
