#include "core/error.hpp"
#include "device/device.hpp"

namespace ringworld {
namespace {

[[noreturn]] void throw_not_built() {
  throw Error(ErrorKind::bad_input, "this build has no CUDA device; configure with -DRINGWORLD_ENABLE_CUDA=ON");
}

}  // namespace

Device& cuda_device() { throw_not_built(); }

Device& pinned_device() { throw_not_built(); }

void choose_cuda_device(int /*rank_on_node*/) {}

}  // namespace ringworld
