#include "kernels/attention/gpu_path.hpp"

namespace ringworld {
namespace {

#ifdef RINGWORLD_CUDA_HOPPER
constexpr bool build_has_hopper_kernels = true;
#else
constexpr bool build_has_hopper_kernels = false;
#endif

}  // namespace

std::string_view describe_gpu_attention(int compute_capability, bool has_hopper_kernels) {
  if (compute_capability < 80) {
    return "fp32 on CUDA cores alone: tensor cores are used from sm_80 on";
  }
  if (compute_capability < 90) {
    return "mma.sync, not tuned for this GPU";
  }
  if (compute_capability > 90) {
    return "mma.sync, as on Ampere: this GPU's own tensor-core instructions are not used, nothing is tuned for it";
  }
  return has_hopper_kernels ? "wgmma and bulk copies for heads of 64 and 128, mma.sync for others"
                            : "mma.sync, not tuned for this GPU: the build has no kernels for sm_90a";
}

std::string_view describe_gpu_attention(int compute_capability) {
  return describe_gpu_attention(compute_capability, build_has_hopper_kernels);
}

}  // namespace ringworld
