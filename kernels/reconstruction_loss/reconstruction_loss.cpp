#include "kernels/reconstruction_loss/reconstruction_loss.hpp"

#include <array>

#include "core/error.hpp"
#include "kernels/reconstruction_loss/cost.hpp"

namespace ringworld {
namespace {

void check(const ReconstructionLossPass& pass) {
  require(pass.target.shape == pass.reconstruction.shape, "reconstruction loss: target has another shape");
  require(pass.reconstruction.is_dense() && pass.target.is_dense(),
          "reconstruction loss: reconstruction or target is not dense");
  const std::array<std::int64_t, 2> sums{pass.reconstruction.shape[0], 2};
  require(pass.absolute_and_squared.shape == sums && pass.absolute_and_squared.is_dense(),
          "reconstruction loss: absolute_and_squared is not (frames, 2) or not dense");
  require(pass.dreconstruction.is_null() ||
              (pass.dreconstruction.shape == pass.reconstruction.shape && pass.dreconstruction.is_dense()),
          "reconstruction loss: dreconstruction has another shape or is not dense");
}

}  // namespace

void ReconstructionLoss::forward_backward(const ReconstructionLossPass& pass) {
  check(pass);
  charge(cost_of(pass));
  run_forward_backward(pass);
}

}  // namespace ringworld
