#include "core/error.hpp"
#include "device/device.hpp"
#include "device/gpu.hpp"

namespace ringworld {
namespace {

[[noreturn]] void throw_not_built() {
  throw Error(ErrorKind::bad_input, "device 'cuda' is not in this build; configure with -DRINGWORLD_ENABLE_CUDA=ON");
}

}  // namespace

Device& cuda_device() { throw_not_built(); }

Device& pinned_device() { throw_not_built(); }

void choose_cuda_device(int /*rank_on_node*/) {}

GpuDescription describe_gpu() { throw_not_built(); }

}  // namespace ringworld
