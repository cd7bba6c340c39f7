#include "experiments/info/gemm_peak.hpp"

#include <algorithm>

#include "device/buffer.hpp"
#include "kernels/matmul/matmul.hpp"
#include "perf/clock.hpp"
#include "perf/matmul_model.hpp"

namespace ringworld {
namespace {

Buffer make_constant(DType dtype, std::int64_t count, float value) {
  Buffer buffer(count * size_of(dtype));
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    std::fill_n(buffer.as<T>(), count, static_cast<T>(value));
  });
  return buffer;
}

}  // namespace

double measure_gemm_peak(DType dtype, std::int64_t extent, double seconds) {
  const Buffer a = make_constant(dtype, extent * extent, 0.5F);
  const Buffer b = make_constant(dtype, extent * extent, 0.25F);
  const Buffer c = make_constant(dtype, extent * extent, 0.0F);
  const auto matmul = make_matmul(Backend::host);
  double best = 0;
  const double end = now_seconds() + seconds;
  do {
    const double start = now_seconds();
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
    best = std::max(best, matmul_flop(extent, extent, extent) / (now_seconds() - start));
  } while (now_seconds() < end);
  return best;
}

}  // namespace ringworld
