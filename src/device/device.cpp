#include "device/device.hpp"

#include "core/error.hpp"

namespace ringworld {

Device& device(DeviceKind kind) {
  switch (kind) {
    case DeviceKind::host:
      return host_device();
    case DeviceKind::kokkos:
      return kokkos_device();
    case DeviceKind::cuda:
      return cuda_device();
    case DeviceKind::pinned:
      return pinned_device();
  }
  throw Error(ErrorKind::internal, "device kind outside its enumeration");
}

}  // namespace ringworld
