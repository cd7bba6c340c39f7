#include "device/device.hpp"

#include "core/error.hpp"
#include "device/counting/counting_devices.hpp"

namespace ringworld {

Device& device(DeviceKind kind) {
  if (CountingDevices* const counting = CountingDevices::current()) {
    return counting->of(kind);
  }
  switch (kind) {
    case DeviceKind::host:
      return host_device();
    case DeviceKind::kokkos:
      return kokkos_device();
    case DeviceKind::cuda:
      return cuda_device();
    case DeviceKind::simulated:
      return simulated_device();
    case DeviceKind::pinned:
      return pinned_device();
  }
  throw Error(ErrorKind::internal, "device kind outside its enumeration");
}

void choose_device(DeviceKind kind, int rank_on_node) {
  if (is_gpu(kind)) {
    choose_cuda_device(rank_on_node);
  }
}

}  // namespace ringworld
