#pragma once
/// @file  Seeded operands for benchmarks.

#include <cstdint>
#include <vector>

#include "core/dtype.hpp"
#include "device/buffer.hpp"

namespace ringworld::bench {

/// `count` standard normals in the bits of `dtype`; the same for the same stream.
[[nodiscard]] Buffer make_normals(DType dtype, std::int64_t count, std::uint64_t stream,
                                  DeviceKind kind = DeviceKind::host);

/// A copy of host memory on a device.
[[nodiscard]] Buffer make_copy(const void* from, std::int64_t bytes, DeviceKind kind);

template <class T>
[[nodiscard]] Buffer make_copy(const std::vector<T>& values, DeviceKind kind) {
  return make_copy(values.data(), static_cast<std::int64_t>(values.size() * sizeof(T)), kind);
}

}  // namespace ringworld::bench
