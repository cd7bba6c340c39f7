#include "core/error.hpp"
#include "device/device.hpp"

namespace ringworld {

Device& cuda_device() {
  throw Error(ErrorKind::bad_input, "this build has no CUDA device; configure with -DRINGWORLD_ENABLE_CUDA=ON");
}

}  // namespace ringworld
