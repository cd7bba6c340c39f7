#include "core/error.hpp"
#include "kernels/norm/norm.hpp"
#include "kernels/row/backend_choice.hpp"

namespace ringworld {

void check_rms_norm(const RmsNormForward& pass) {
  require(pass.x.columns > 0, "RMSNorm: rows without columns have no mean");
  require(pass.y.is_like(pass.x), "RMSNorm: y has not the shape and type of x");
  require(pass.branch.is_null() == pass.sum.is_null(), "RMSNorm: branch and sum are given together or not at all");
  require(pass.branch.is_null() || (pass.branch.is_like(pass.x) && pass.sum.is_like(pass.x)),
          "RMSNorm: branch or sum has not the shape and type of x");
  require(std::ssize(pass.weight) == pass.x.columns, "RMSNorm: weight does not have one element a column");
  require(std::ssize(pass.inverse_rms) == pass.x.rows, "RMSNorm: inverse_rms does not have one element a row");
}

void check_rms_norm(const RmsNormBackward& pass) {
  require(pass.x.columns > 0, "RMSNorm: rows without columns have no mean");
  require(pass.dy.is_like(pass.x) && pass.dx.is_like(pass.x), "RMSNorm: dy or dx has not the shape and type of x");
  require(pass.residual_gradient.is_null() || pass.residual_gradient.is_like(pass.x),
          "RMSNorm: residual_gradient has not the shape and type of x");
  require(std::ssize(pass.weight) == pass.x.columns && std::ssize(pass.dweight) == pass.x.columns,
          "RMSNorm: weight or dweight does not have one element a column");
  require(std::ssize(pass.inverse_rms) == pass.x.rows, "RMSNorm: inverse_rms does not have one element a row");
}

std::unique_ptr<RmsNorm> make_rms_norm(Backend backend) {
  return row::make<RmsNorm>(
      backend, {.reference = make_reference_rms_norm, .kokkos = make_kokkos_rms_norm, .cuda = make_cuda_rms_norm});
}

}  // namespace ringworld
