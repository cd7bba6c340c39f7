#include <algorithm>
#include <vector>

#include "kernels/elementwise/parallel.hpp"
#include "kernels/elementwise/row_functions.hpp"
#include "kernels/reconstruction_loss/reconstruction_loss.hpp"

namespace ringworld {
namespace {

/// A frame is cut into chunks, by its size alone. Their sums are fp32, and added up in double in their order.
constexpr std::int64_t chunk = 4096;

class HostReconstructionLoss final : public ReconstructionLoss {
 public:
  explicit HostReconstructionLoss(const KernelOptions& options) : threads_(options.threads) {}

 private:
  void run_forward_backward(const ReconstructionLossPass& pass) override {
    const auto [frames, elements] = pass.target.shape;
    const std::int64_t per_frame = row::range_count(elements, chunk);
    sums_.resize(static_cast<std::size_t>(frames * per_frame));
    row::for_each_range(threads_, std::ssize(sums_), 8, [&, elements = elements](std::int64_t begin, std::int64_t end) {
      for (std::int64_t index = begin; index < end; ++index) {
        const std::int64_t in_frame = index % per_frame * chunk;
        const std::int64_t at = index / per_frame * elements + in_frame;
        sums_[static_cast<std::size_t>(index)] = functions_.sum_differences(
            {.a = pass.reconstruction.data + at,
             .b = pass.target.data + at,
             .count = std::min(chunk, elements - in_frame),
             .absolute_scale = pass.absolute_scale,
             .squared_scale = pass.squared_scale,
             .gradient = pass.dreconstruction.is_null() ? nullptr : pass.dreconstruction.data + at});
      }
    });
    for (std::int64_t n = 0; n < frames; ++n) {
      double absolute = 0;
      double squared = 0;
      for (std::int64_t index = n * per_frame; index < (n + 1) * per_frame; ++index) {
        absolute += static_cast<double>(sums_[static_cast<std::size_t>(index)].absolute);
        squared += static_cast<double>(sums_[static_cast<std::size_t>(index)].squared);
      }
      pass.absolute_and_squared(n, 0) = static_cast<float>(absolute);
      pass.absolute_and_squared(n, 1) = static_cast<float>(squared);
    }
  }

  int threads_;
  const row::PixelFunctions& functions_ = row::row_functions(selected_isa()).pixels;
  std::vector<row::DifferenceSums> sums_;  ///< of chunks
};

}  // namespace

std::unique_ptr<ReconstructionLoss> make_host_reconstruction_loss(const KernelOptions& options) {
  return std::make_unique<HostReconstructionLoss>(options);
}

}  // namespace ringworld
