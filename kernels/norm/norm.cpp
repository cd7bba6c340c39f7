#include "kernels/norm/norm.hpp"

#include "core/error.hpp"
#include "kernels/norm/cost.hpp"

namespace ringworld {
namespace {

void check(const RmsNormForward& pass) {
  require(pass.x.columns > 0, "RMSNorm: rows without columns have no mean");
  require(pass.y.is_like(pass.x), "RMSNorm: y has not the shape and type of x");
  require(pass.branch.is_null() == pass.sum.is_null(), "RMSNorm: branch and sum are given together or not at all");
  require(pass.branch.is_null() || (pass.branch.is_like(pass.x) && pass.sum.is_like(pass.x)),
          "RMSNorm: branch or sum has not the shape and type of x");
  require(std::ssize(pass.weight) == pass.x.columns, "RMSNorm: weight does not have one element a column");
  require(std::ssize(pass.inverse_rms) == pass.x.rows, "RMSNorm: inverse_rms does not have one element a row");
}

void check(const RmsNormBackward& pass) {
  require(pass.x.columns > 0, "RMSNorm: rows without columns have no mean");
  require(pass.dy.is_like(pass.x) && pass.dx.is_like(pass.x), "RMSNorm: dy or dx has not the shape and type of x");
  require(pass.residual_gradient.is_null() || pass.residual_gradient.is_like(pass.x),
          "RMSNorm: residual_gradient has not the shape and type of x");
  require(std::ssize(pass.weight) == pass.x.columns && std::ssize(pass.dweight) == pass.x.columns,
          "RMSNorm: weight or dweight does not have one element a column");
  require(std::ssize(pass.inverse_rms) == pass.x.rows, "RMSNorm: inverse_rms does not have one element a row");
}

}  // namespace

void RmsNorm::forward(const RmsNormForward& pass) {
  check(pass);
  charge(cost_of(pass));
  run_forward(pass);
}

void RmsNorm::backward(const RmsNormBackward& pass) {
  check(pass);
  charge(cost_of(pass));
  run_backward(pass);
}

}  // namespace ringworld
