#include "device/host_access.hpp"

namespace ringworld {

const void* HostAccess::read_bytes(const void* values, std::int64_t bytes) {
  if (is_in_reach_) {
    return values;
  }
  make_room(bytes);
  copy(staging_.data(), values, bytes);
  return staging_.data();
}

void* HostAccess::begin_write(void* values, std::int64_t bytes) {
  if (is_in_reach_) {
    return values;
  }
  make_room(bytes);
  return staging_.data();
}

void HostAccess::end_write(void* values, std::int64_t bytes) {
  if (!is_in_reach_) {
    copy(values, staging_.data(), bytes);
  }
}

void HostAccess::make_room(std::int64_t bytes) {
  if (bytes > staging_.bytes()) {
    staging_ = Buffer();  // first: both at once need not fit
    staging_ = Buffer(bytes, device(memory_).staging());
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
