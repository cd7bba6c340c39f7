#pragma once
/// @file  Device memory that tests fill and read by way of the compute stream, as kernels would.

#include <span>
#include <vector>

#include "device/buffer.hpp"

namespace ringworld::test {

/// Elements in the memory of `kind`. On a GPU everything is enqueued on the compute stream; `download` alone waits.
template <class T>
class DeviceBlock {
 public:
  explicit DeviceBlock(std::size_t count, DeviceKind kind = DeviceKind::cuda)
      : kind_(kind), count_(count), memory_(static_cast<std::int64_t>(count * sizeof(T)), kind) {}
  explicit DeviceBlock(const std::vector<T>& values, DeviceKind kind = DeviceKind::cuda)
      : DeviceBlock(values.size(), kind) {
    upload(values);
  }

  void upload(std::span<const T> values) {
    device(kind_).copy(memory_.data(), values.data(), static_cast<std::int64_t>(values.size_bytes()), stream());
  }
  /// Enqueues a copy of the first elements of `from`.
  void copy(std::span<const T> from) {
    device(kind_).copy(memory_.data(), from.data(), static_cast<std::int64_t>(from.size_bytes()), stream());
  }
  [[nodiscard]] std::vector<T> download(std::size_t count) const {
    std::vector<T> values(count);
    device(kind_).copy(values.data(), memory_.data(), static_cast<std::int64_t>(count * sizeof(T)), stream());
    stream().synchronize();
    return values;
  }
  [[nodiscard]] std::vector<T> download() const { return download(count_); }

  /// Memory of the device: the host must not follow it.
  [[nodiscard]] std::span<T> span() const { return {memory_.template as<T>(), count_}; }
  [[nodiscard]] std::span<T> first(std::size_t count) const { return span().first(count); }

 private:
  [[nodiscard]] Stream& stream() const { return device(kind_).compute_stream(); }

  DeviceKind kind_;
  std::size_t count_;
  Buffer memory_;
};

}  // namespace ringworld::test
