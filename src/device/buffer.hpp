#pragma once
/// @file  Owning memory of a device, with an account of how much is held.

#include <cstdint>
#include <utility>

#include "device/device.hpp"

namespace ringworld {

/// Bytes that live Buffers of one device kind hold in this process.
struct MemoryAccount {
  std::int64_t current = 0;
  std::int64_t high_water = 0;  ///< largest `current` since the last reset
  std::int64_t limit = 0;       ///< allocations beyond it fail; 0 = no limit but the device's own
};

[[nodiscard]] MemoryAccount memory_account(DeviceKind kind = DeviceKind::host);
/// Sets the high-water mark back to what is held now.
void reset_high_water(DeviceKind kind = DeviceKind::host);
/// Makes allocations that would hold more than `bytes` fail, as on a smaller device; 0 lifts the limit.
void set_memory_limit(std::int64_t bytes, DeviceKind kind = DeviceKind::host);

/// A move-only block of device memory, aligned to at least 64 bytes, contents unspecified.
class Buffer {
 public:
  Buffer() = default;
  /// @throws Error(out_of_memory) with the size asked for and what is available.
  explicit Buffer(std::int64_t bytes, DeviceKind kind = DeviceKind::host);
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
    std::swap(kind_, other.kind_);
  }

 private:
  void* data_ = nullptr;
  std::int64_t bytes_ = 0;
  DeviceKind kind_ = DeviceKind::host;
};

}  // namespace ringworld
