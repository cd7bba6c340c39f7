#include "kernels/reconstruction_loss/cost.hpp"

namespace ringworld {

Cost cost_of(const ReconstructionLossPass& pass) {
  constexpr std::int64_t float_bytes = 4;
  const std::int64_t elements = pass.reconstruction.size();
  const bool has_gradient = !pass.dreconstruction.is_null();
  return {.flop = static_cast<double>((has_gradient ? 6 : 4) * elements),
          .bytes = static_cast<double>(float_bytes *
                                       ((has_gradient ? 3 : 2) * elements + pass.absolute_and_squared.size()))};
}

}  // namespace ringworld
