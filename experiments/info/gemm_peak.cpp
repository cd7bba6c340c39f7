#include "experiments/info/gemm_peak.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/matmul/matmul.hpp"
#include "perf/clock.hpp"

namespace ringworld {

double measure_gemm_peak(std::int64_t extent, double seconds) {
  const auto elements = static_cast<std::size_t>(extent * extent);
  const std::vector<float> a(elements, 0.5F);
  const std::vector<float> b(elements, 0.25F);
  std::vector<float> c(elements);
  const auto matmul = make_matmul(Backend::host);
  const double flop = 2.0 * std::pow(static_cast<double>(extent), 3);
  double best = 0;
  const double end = now_seconds() + seconds;
  do {
    const double start = now_seconds();
    matmul->multiply({.m = extent,
                      .n = extent,
                      .k = extent,
                      .a = a.data(),
                      .a_leading = extent,
                      .b = b.data(),
                      .b_leading = extent,
                      .c = c.data(),
                      .c_leading = extent});
    best = std::max(best, flop / (now_seconds() - start));
  } while (now_seconds() < end);
  return best;
}

}  // namespace ringworld
