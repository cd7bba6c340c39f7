#pragma once
/// @file  An array that host code and kernels both use: one memory on the host, a copy on either side of a
/// device.
///
///   host code   edit ----> [staged] --upload--> [device] <---- kernels      transfers are enqueued on the compute stream;
///               read <---- [staged] <-download- [device]                    edit waits for both, read for the download

#include <cstdint>
#include <memory>
#include <span>

#include "device/buffer.hpp"

namespace ringworld {

/// The bytes of a DualArray. On the host both sides are the same memory and transfers are nothing.
class DualBuffer {
 public:
  DualBuffer() = default;
  /// @param memory  where kernels read it     @throws Error(out_of_memory)
  DualBuffer(std::int64_t bytes, DeviceKind memory);

  /// The copy that kernels read and write.
  [[nodiscard]] void* device_data() const { return device_.data(); }
  /// The copy that host code reads; waits for the last download.
  [[nodiscard]] const void* readable() const;
  /// The copy that host code writes; waits for the last transfers.
  [[nodiscard]] void* editable();
  void upload(std::int64_t bytes);
  void download(std::int64_t bytes);
  /// On the side of the kernels.
  [[nodiscard]] std::int64_t bytes() const { return device_.bytes(); }

 private:
  void copy(void* to, const void* from, std::int64_t bytes, Event& ended);
  [[nodiscard]] void* staged() const;

  DeviceKind memory_ = DeviceKind::host;
  Buffer device_;
  // Null on the host:
  mutable Buffer staging_;  // of a simulated device, made when host code comes: a thousand ranks share its memory
  std::unique_ptr<Event> uploaded_;  // the end of the last upload
  std::unique_ptr<Event> downloaded_;
};

template <class T>
class DualArray {
 public:
  DualArray() = default;
  /// @throws Error(out_of_memory)
  DualArray(std::int64_t capacity, DeviceKind memory)
      : buffer_(capacity * static_cast<std::int64_t>(sizeof(T)), memory) {}

  /// The first `count` elements for host code to write. Waits for transfers.
  [[nodiscard]] std::span<T> edit(std::int64_t count) {
    return {static_cast<T*>(buffer_.editable()), static_cast<std::size_t>(count)};
  }
  /// Enqueues the upload. @return where kernels read them
  std::span<const T> upload(std::int64_t count) {
    buffer_.upload(count * static_cast<std::int64_t>(sizeof(T)));
    return device(count);
  }
  /// The first `count` elements for kernels.
  [[nodiscard]] std::span<T> device(std::int64_t count) const {
    return {static_cast<T*>(buffer_.device_data()), static_cast<std::size_t>(count)};
  }
  /// Enqueues the download.
  void download(std::int64_t count) { buffer_.download(count * static_cast<std::int64_t>(sizeof(T))); }
  /// The values that host code wrote or that the last `download` copied. Waits for that download only.
  [[nodiscard]] std::span<const T> read(std::int64_t count) const {
    return {static_cast<const T*>(buffer_.readable()), static_cast<std::size_t>(count)};
  }

  [[nodiscard]] std::int64_t bytes() const { return buffer_.bytes(); }

 private:
  DualBuffer buffer_;
};

}  // namespace ringworld
