#pragma once
/// @file  Owned memory of a device, counted in that device's memory account.

#include <cstdint>
#include <utility>

#include "device/device.hpp"

namespace ringworld {

/// The account of the process's device of this kind.
[[nodiscard]] inline MemoryAccount memory_account(DeviceKind kind = DeviceKind::host) {
  return device(kind).memory().account();
}
inline void reset_high_water(DeviceKind kind = DeviceKind::host) { device(kind).memory().reset_high_water(); }
inline void set_memory_limit(std::int64_t bytes, DeviceKind kind = DeviceKind::host) {
  device(kind).memory().set_limit(bytes);
}

/// A move-only block of device memory, aligned to at least 64 bytes, contents unspecified.
class Buffer {
 public:
  Buffer() = default;
  /// @param place  must outlive this
  /// @throws Error(out_of_memory) with the size asked for and what is available.
  Buffer(std::int64_t bytes, Device& place, MemoryUse use = MemoryUse::scratch);
  explicit Buffer(std::int64_t bytes, DeviceKind kind = DeviceKind::host, MemoryUse use = MemoryUse::scratch)
      : Buffer(bytes, device(kind), use) {}
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer taken(std::move(other));
    swap(taken);
    return *this;
  }
  ~Buffer();

  [[nodiscard]] void* data() const noexcept { return data_; }
  [[nodiscard]] std::int64_t bytes() const noexcept { return bytes_; }
  template <class T>
  [[nodiscard]] T* as() const noexcept {
    return static_cast<T*>(data_);
  }

  void swap(Buffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(place_, other.place_);
    std::swap(use_, other.use_);
  }

 private:
  void* data_ = nullptr;
  std::int64_t bytes_ = 0;
  Device* place_ = nullptr;
  MemoryUse use_ = MemoryUse::scratch;
};

}  // namespace ringworld
