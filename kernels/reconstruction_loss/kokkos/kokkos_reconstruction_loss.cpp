#include "kernels/elementwise/kokkos/launch.hpp"
#include "kernels/reconstruction_loss/reconstruction_loss.hpp"

namespace ringworld {
namespace {

using kokkos::RowTeam;

/// A team has one frame at a time. Sums are in double, because a frame may be summed by one lane.
struct LossKernel {
  const float* reconstruction;
  const float* target;
  std::int64_t elements;
  float absolute_scale;
  float slope;  ///< 2 squared_scale
  float* sums;
  float* gradient;  ///< null: not wanted

  KOKKOS_INLINE_FUNCTION void operator()(const RowTeam& team, std::int64_t frame) const {
    const float* a = reconstruction + frame * elements;
    const float* b = target + frame * elements;
    double absolute = 0;
    Kokkos::parallel_reduce(
        Kokkos::TeamVectorRange(team, elements),
        [&](std::int64_t i, double& part) {
          const auto difference = static_cast<double>(a[i] - b[i]);
          part += difference < 0 ? -difference : difference;
        },
        absolute);
    double squared = 0;
    Kokkos::parallel_reduce(
        Kokkos::TeamVectorRange(team, elements),
        [&](std::int64_t i, double& part) {
          const auto difference = static_cast<double>(a[i] - b[i]);
          part += difference * difference;
        },
        squared);
    Kokkos::single(Kokkos::PerTeam(team), [&]() {
      sums[2 * frame] = static_cast<float>(absolute);
      sums[2 * frame + 1] = static_cast<float>(squared);
    });
    if (gradient == nullptr) {
      return;
    }
    team.team_barrier();  // the gradient may take the place of the reconstruction
    float* to = gradient + frame * elements;
    Kokkos::parallel_for(Kokkos::TeamVectorRange(team, elements), [&](std::int64_t i) {
      const float difference = a[i] - b[i];
      const float sign = difference > 0 ? absolute_scale : difference < 0 ? -absolute_scale : 0.0F;
      to[i] = sign + slope * difference;
    });
  }
};

class KokkosReconstructionLoss final : public ReconstructionLoss {
  void run_forward_backward(const ReconstructionLossPass& pass) override {
    const auto [frames, elements] = pass.target.shape;
    kokkos::for_each_row("ringworld::reconstruction_loss", frames,
                         LossKernel{.reconstruction = pass.reconstruction.data,
                                    .target = pass.target.data,
                                    .elements = elements,
                                    .absolute_scale = pass.absolute_scale,
                                    .slope = 2 * pass.squared_scale,
                                    .sums = pass.absolute_and_squared.data,
                                    .gradient = pass.dreconstruction.data});
  }
};

}  // namespace

std::unique_ptr<ReconstructionLoss> make_kokkos_reconstruction_loss(const KernelOptions& /*options*/) {
  return std::make_unique<KokkosReconstructionLoss>();
}

}  // namespace ringworld
