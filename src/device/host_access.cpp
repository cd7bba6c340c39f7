#include "device/host_access.hpp"

namespace ringworld {

const void* HostAccess::read_bytes(const void* values, std::int64_t bytes) {
  if (memory_ == DeviceKind::host) {
    return values;
  }
  make_room(bytes);
  copy(pinned_.data(), values, bytes);
  return pinned_.data();
}

void* HostAccess::begin_write(void* values, std::int64_t bytes) {
  if (memory_ == DeviceKind::host) {
    return values;
  }
  make_room(bytes);
  return pinned_.data();
}

void HostAccess::end_write(void* values, std::int64_t bytes) {
  if (memory_ != DeviceKind::host) {
    copy(values, pinned_.data(), bytes);
  }
}

void HostAccess::make_room(std::int64_t bytes) {
  if (bytes > pinned_.bytes()) {
    pinned_ = Buffer();  // first: both at once need not fit
    pinned_ = Buffer(bytes, DeviceKind::pinned);
  }
}

void HostAccess::copy(void* to, const void* from, std::int64_t bytes) const {
  if (bytes > 0) {
    Device& place = device(memory_);
    place.copy(to, from, bytes, place.compute_stream());
    place.compute_stream().synchronize();
  }
}

}  // namespace ringworld
