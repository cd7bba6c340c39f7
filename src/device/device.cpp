#include "device/device.hpp"

namespace ringworld {

Device& device(DeviceKind kind) { return kind == DeviceKind::host ? host_device() : cuda_device(); }

}  // namespace ringworld
