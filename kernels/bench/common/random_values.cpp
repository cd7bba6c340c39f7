#include "kernels/bench/common/random_values.hpp"

#include "core/random.hpp"

namespace ringworld::bench {

Buffer make_normals(DType dtype, std::int64_t count, std::uint64_t stream) {
  Buffer buffer(count * size_of(dtype));
  const CounterRng rng(1, stream);
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    T* values = buffer.as<T>();
    for (std::int64_t i = 0; i < count; ++i) {
      values[i] = static_cast<T>(rng.normals(static_cast<std::uint64_t>(i / 4))[static_cast<std::size_t>(i % 4)]);
    }
  });
  return buffer;
}

}  // namespace ringworld::bench
