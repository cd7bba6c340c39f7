#include "kernels/bench/common/measured_roofs.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <string_view>
#include <thread>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/isa.hpp"
#include "perf/peak.hpp"

namespace ringworld::bench {
namespace {

bool are_wanted() {
  const char* const given = std::getenv("RINGWORLD_BENCH_ROOFS");
  return given == nullptr || std::string_view(given) != "off";
}

}  // namespace

template <class Measure>
void MeasuredRoofs::refresh(Roof& roof, std::int64_t threads, Measure&& measure) {
  if (!are_wanted()) {
    roof.best = std::numeric_limits<double>::quiet_NaN();
    return;
  }
  if (roof.best > 0 && now_seconds() - roof.measured_at < seconds_of_validity) {
    return;
  }
  std::vector<double> rates(static_cast<std::size_t>(threads));
  {
    std::vector<std::jthread> others;
    for (std::size_t thread = 1; thread < rates.size(); ++thread) {
      others.emplace_back([&rates, &measure, thread] { rates[thread] = measure(); });
    }
    rates[0] = measure();
  }
  roof.best = std::max(roof.best, std::accumulate(rates.begin(), rates.end(), 0.0));
  roof.measured_at = now_seconds();
}

void MeasuredRoofs::measure(DType dtype, std::int64_t threads) {
  const Isa isa = selected_isa();
  refresh(fma_[{dtype, threads}], threads, [isa, dtype] { return measure_fma_peak(isa, dtype, 0.1); });
  refresh(triad_[threads], threads, [] { return measure_triad(triad_bytes, 0.1); });
}

double MeasuredRoofs::fma(DType dtype, std::int64_t threads) const {
  const auto found = fma_.find({dtype, threads});
  require(found != fma_.end(), "the FMA peak of this dtype and number of threads was not measured");
  return found->second.best;
}

double MeasuredRoofs::triad(std::int64_t threads) const {
  const auto found = triad_.find(threads);
  require(found != triad_.end(), "the triad of this number of threads was not measured");
  return found->second.best;
}

}  // namespace ringworld::bench
