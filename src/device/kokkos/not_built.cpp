#include "core/error.hpp"
#include "device/device.hpp"

namespace ringworld {

Device& kokkos_device() {
  throw Error(ErrorKind::bad_input,
              "the backend 'kokkos' is not in this build: configure with -DRINGWORLD_ENABLE_KOKKOS=ON");
}

}  // namespace ringworld
