#include "experiments/common/gemm_peak.hpp"

#include <algorithm>
#include <vector>

#include "core/activity.hpp"
#include "core/clock.hpp"
#include "core/random.hpp"
#include "core/stop_request.hpp"
#include "device/buffer.hpp"
#include "kernels/matmul/cost.hpp"
#include "kernels/matmul/matmul.hpp"

namespace ringworld {
namespace {

/// Numbers in [-1/2, 1/2): a GPU that multiplies constants draws less power, and so runs faster than it would.
Buffer make_random(DType dtype, std::int64_t count, std::uint64_t stream, DeviceKind kind) {
  Buffer buffer(count * size_of(dtype), kind);
  const CounterRng rng(1, stream);
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    constexpr std::int64_t period = std::int64_t{1} << 16;
    std::vector<T> values(static_cast<std::size_t>(std::min(count, period)));
    for (std::size_t index = 0; index < values.size(); ++index) {
      values[index] = static_cast<T>(CounterRng::to_unit(rng.words(index)[0]) - 0.5F);
    }
    for (std::int64_t offset = 0; offset < count; offset += period) {
      const std::int64_t bytes = std::min(period, count - offset) * static_cast<std::int64_t>(sizeof(T));
      device(kind).copy(buffer.as<T>() + offset, values.data(), bytes, device(kind).compute_stream());
    }
  });
  return buffer;
}

}  // namespace

double measure_gemm_peak(Backend backend, DType dtype, std::int64_t extent, double seconds) {
  const DeviceKind kind = device_of(backend);
  const Buffer a = make_random(dtype, extent * extent, 1, kind);
  const Buffer b = make_random(dtype, extent * extent, 2, kind);
  const Buffer c = make_random(dtype, extent * extent, 3, kind);
  const auto matmul = make_matmul(backend);
  Stream& compute = device(kind).compute_stream();
  const auto begin = device(kind).make_timing_event();
  const auto end = device(kind).make_timing_event();
  double best = 0;
  const double last = now_seconds() + seconds;
  constexpr int least = 4;
  for (int repeat = 0; repeat < least || (now_seconds() < last && stop_signal() == 0); ++repeat) {
    note_progress();
    begin->record(compute);
    matmul->multiply({.m = extent,
                      .n = extent,
                      .k = extent,
                      .dtype = dtype,
                      .c_dtype = dtype,
                      .a = a.data(),
                      .a_leading = extent,
                      .b = b.data(),
                      .b_leading = extent,
                      .c = c.data(),
                      .c_leading = extent});
    end->record(compute);
    end->synchronize();
    if (repeat > 0) {
      best = std::max(best, matmul_flop(extent, extent, extent) / end->seconds_since(*begin));
    }
  }
  return best;
}

double measure_growing_gemm_peak(Backend backend, DType dtype, std::int64_t largest_extent, double seconds) {
  double best = 0;
  for (std::int64_t extent = std::min(std::int64_t{256}, largest_extent); extent <= largest_extent; extent *= 2) {
    if (best > 0 && matmul_flop(extent, extent, extent) / best > seconds) {
      break;
    }
    best = std::max(best, measure_gemm_peak(backend, dtype, extent, seconds));
  }
  return best;
}

}  // namespace ringworld
