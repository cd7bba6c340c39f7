#include "kernels/bench/common/random_values.hpp"

#include <utility>

#include "core/random.hpp"
#include "device/device.hpp"

namespace ringworld::bench {

Buffer make_normals(DType dtype, std::int64_t count, std::uint64_t stream, DeviceKind kind) {
  Buffer buffer(count * size_of(dtype));
  const CounterRng rng(1, stream);
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    T* values = buffer.as<T>();
    for (std::int64_t i = 0; i < count; ++i) {
      values[i] = static_cast<T>(rng.normals(static_cast<std::uint64_t>(i / 4))[static_cast<std::size_t>(i % 4)]);
    }
  });
  return kind == DeviceKind::host ? std::move(buffer) : make_copy(buffer.data(), buffer.bytes(), kind);
}

Buffer make_copy(const void* from, std::int64_t bytes, DeviceKind kind) {
  Buffer buffer(bytes, kind);
  Device& there = device(kind);
  there.copy(buffer.data(), from, bytes, there.compute_stream());
  there.compute_stream().synchronize();
  return buffer;
}

}  // namespace ringworld::bench
