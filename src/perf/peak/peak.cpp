#include "perf/peak.hpp"

#include <algorithm>
#include <fstream>
#include <memory>

#include "core/activity.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/stop_request.hpp"

namespace ringworld {
namespace {

bool is_paired(Isa isa, DType dtype) { return dtype == DType::bfloat16 && has_bf16_dot_product(isa); }

FmaChain fma_chain(Isa isa, DType dtype) {
  switch (isa) {
    case Isa::portable:
      return portable_fma_chain();
    case Isa::avx2:
      return avx2_fma_chain();
    case Isa::avx512:
      return is_paired(isa, dtype) ? avx512_bf16_dot_chain() : avx512_fma_chain();
  }
  throw Error(ErrorKind::internal, "instruction set outside its enumeration");
}

double lanes_of(Isa isa) { return isa == Isa::avx512 ? 16 : isa == Isa::avx2 ? 8 : 4; }

/// The best rate of slices of at least `slice_seconds`, over `seconds`, or until a signal asks to end; `work()` returns
/// how much it did.
template <class Work>
double best_rate(double seconds, Work&& work) {
  constexpr double slice_seconds = 0.05;
  double best = 0;
  const double end = now_seconds() + seconds;
  do {
    note_progress();
    const double start = now_seconds();
    double done = 0;
    double elapsed = 0;
    while (elapsed < slice_seconds) {
      done += work();
      elapsed = now_seconds() - start;
    }
    best = std::max(best, done / elapsed);
  } while (now_seconds() < end && stop_signal() == 0);
  return best;
}

}  // namespace

double measure_fma_peak(Isa isa, DType dtype, double seconds) {
  const FmaChain chain = fma_chain(isa, dtype);
  float sink = 0;
  const double rate = best_rate(seconds, [&] { return chain(20000, &sink); });
  require(sink < 1e30F, "FMA chain diverged");
  return rate;
}

double nominal_fma_peak(Isa isa, DType dtype) {
  std::ifstream file("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq");
  double kilohertz = 0;
  file >> kilohertz;
  constexpr double fma_units = 2;
  return fma_units * (is_paired(isa, dtype) ? 4 : 2) * lanes_of(isa) * kilohertz * 1e3;
}

double measure_triad(std::int64_t bytes, double seconds) {
  const auto count = static_cast<std::size_t>(bytes) / sizeof(double);
  const auto a = std::make_unique<double[]>(count);
  const auto b = std::make_unique<double[]>(count);
  const auto c = std::make_unique<double[]>(count);
  std::fill_n(b.get(), count, 1.0);
  std::fill_n(c.get(), count, 2.0);
  double scale = 3.0;
  return best_rate(seconds, [&] {
    for (std::size_t i = 0; i < count; ++i) {
      a[i] = b[i] + scale * c[i];
    }
    scale = a[count / 2];  // keeps the compiler from dropping or merging passes
    scale = scale > 1e300 ? 3.0 : scale;
    return 3.0 * static_cast<double>(bytes);
  });
}

}  // namespace ringworld
