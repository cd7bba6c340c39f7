#include "kernels/bench/common/random_values.hpp"

#include <algorithm>
#include <thread>
#include <utility>

#include "core/random.hpp"
#include "core/thread_team.hpp"
#include "device/device.hpp"

namespace ringworld::bench {

namespace {

/// All of this machine: nothing else runs while operands are drawn.
int drawing_threads() { return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, largest_team()); }

}  // namespace

Buffer make_normals(DType dtype, std::int64_t count, std::uint64_t stream, DeviceKind kind) {
  constexpr std::int64_t per_draw = 4;
  Buffer buffer(count * size_of(dtype));
  const CounterRng rng(1, stream);
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    T* values = buffer.as<T>();
    const std::int64_t draws = (count + per_draw - 1) / per_draw;
    run_team(drawing_threads(), [&](TeamMember member) {
      const std::int64_t end = draws * (member.index + 1) / member.size;
      for (std::int64_t draw = draws * member.index / member.size; draw < end; ++draw) {
        const auto normals = rng.normals(static_cast<std::uint64_t>(draw));
        for (std::int64_t i = 0; i < std::min(per_draw, count - draw * per_draw); ++i) {
          values[draw * per_draw + i] = static_cast<T>(normals[static_cast<std::size_t>(i)]);
        }
      }
    });
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
