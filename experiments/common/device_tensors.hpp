#pragma once
/// @file  Tensors on their way between host memory and a device.

#include "core/tensor_view.hpp"
#include "device/buffer.hpp"

namespace ringworld {

template <class T, std::size_t N>
[[nodiscard]] std::int64_t bytes_of(const TensorView<T, N>& view) {
  return view.size() * static_cast<std::int64_t>(sizeof(T));
}
template <bool IsConst>
[[nodiscard]] std::int64_t bytes_of(const BasicActivationView<IsConst>& view) {
  return view.size() * size_of(view.dtype);
}

/// `view`, a dense tensor in `memory` of the host, as it is in the memory of `kind`, which takes the place of the host's.
/// Blocks.
template <class View>
[[nodiscard]] View move_to_device(View view, Buffer& memory, DeviceKind kind) {
  if (kind == DeviceKind::host || view.data == nullptr) {
    return view;
  }
  Buffer there(bytes_of(view), kind);
  device(kind).copy(there.data(), view.data, bytes_of(view), device(kind).compute_stream());
  device(kind).compute_stream().synchronize();
  view.data = static_cast<decltype(view.data)>(there.data());
  memory = std::move(there);
  return view;
}

/// `view`, a dense tensor in memory of `kind`, as the host can read it: itself, or its copy in `memory`, which comes when
/// the compute stream has got so far. Blocks.
template <class View>
[[nodiscard]] View copy_to_host(View view, Buffer& memory, DeviceKind kind) {
  if (kind == DeviceKind::host || view.data == nullptr) {
    return view;
  }
  memory = Buffer(bytes_of(view));
  device(kind).copy(memory.data(), view.data, bytes_of(view), device(kind).compute_stream());
  device(kind).compute_stream().synchronize();
  view.data = static_cast<decltype(view.data)>(memory.data());
  return view;
}

}  // namespace ringworld
