#include "device/dual_buffer.hpp"

namespace ringworld {

DualBuffer::DualBuffer(std::int64_t bytes, DeviceKind memory) : memory_(memory), device_(bytes, memory) {
  if (device(memory).staging() != memory) {
    if (memory != DeviceKind::simulated) {
      staging_ = Buffer(bytes, device(memory).staging());
    }
    uploaded_ = device(memory).make_event();
    downloaded_ = device(memory).make_event();
  }
}

const void* DualBuffer::readable() const {
  if (downloaded_ == nullptr) {
    return device_.data();
  }
  downloaded_->synchronize();
  return staged();
}

void* DualBuffer::editable() {
  if (uploaded_ == nullptr) {
    return device_.data();
  }
  uploaded_->synchronize();
  downloaded_->synchronize();
  return staged();
}

void* DualBuffer::staged() const {
  if (staging_.data() == nullptr && bytes() > 0) {
    staging_ = Buffer(bytes(), device(memory_).staging());
  }
  return staging_.data();
}

void DualBuffer::upload(std::int64_t bytes) {
  if (uploaded_ != nullptr) {
    copy(device_.data(), staging_.data(), bytes, *uploaded_);
  }
}

void DualBuffer::download(std::int64_t bytes) {
  if (downloaded_ != nullptr) {
    copy(staging_.data(), device_.data(), bytes, *downloaded_);
  }
}

void DualBuffer::copy(void* to, const void* from, std::int64_t bytes, Event& ended) {
  if (bytes > 0) {
    Device& place = device(memory_);
    place.copy(to, from, bytes, place.compute_stream());
    ended.record(place.compute_stream());
  }
}

}  // namespace ringworld
