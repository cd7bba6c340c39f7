#include "kernels/bench/common/suite.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <thread>
#include <utility>

#include "core/error.hpp"
#include "core/isa.hpp"
#include "perf/clock.hpp"
#include "perf/samples.hpp"

namespace ringworld::bench {
namespace {

void report(benchmark::State& state, const Case& point, const MeasuredRoofs& roofs, const SampleSummary& seconds) {
  const double peak = roofs.fma(point.dtype, point.threads);
  const double triad = roofs.triad(point.threads);
  auto& counters = state.counters;
  counters["seconds"] = seconds.median;
  counters["seconds_min"] = seconds.min;
  counters["seconds_max"] = seconds.max;
  if (point.flop > 0) {
    counters["FLOP/s"] = point.flop / seconds.median;
    counters["of_peak"] = point.flop / seconds.median / peak;
    counters["flop"] = point.flop;
  }
  if (point.bytes > 0) {
    counters["B/s"] = point.bytes / seconds.median;
    counters["of_triad"] = point.bytes / seconds.median / triad;
    counters["bytes"] = point.bytes;
    counters["flop_per_byte"] = point.flop / point.bytes;
  }
  counters["peak_FLOP/s"] = peak;
  counters["triad_B/s"] = triad;
  state.SetLabel(fmt::format("family={} backend={} dtype={} isa={} threads={}", point.family, name_of(point.backend),
                             name_of(point.dtype), name_of(selected_isa()), point.threads));
}

}  // namespace

void Suite::add(const Case& point, SetUp set_up) {
  const auto run = [roofs = roofs_, point, set_up = std::move(set_up)](benchmark::State& state) {
    try {
      roofs->measure(point.dtype, point.threads);
      const std::function<void()> operation = set_up();
      std::vector<double> seconds;
      seconds.reserve(static_cast<std::size_t>(state.max_iterations));
      for (auto _ : state) {
        const double start = now_seconds();
        operation();
        seconds.push_back(now_seconds() - start);
      }
      roofs->measure(point.dtype, point.threads);
      report(state, point, *roofs, summarize(seconds));
    } catch (const Error& error) {
      state.SkipWithError(error.what());
    }
  };
  // Wall time: the CPU time that Google Benchmark would take is that of one thread.
  benchmark::RegisterBenchmark(point.name.c_str(), run)->Unit(benchmark::kMillisecond)->UseRealTime();
}

std::vector<std::int64_t> thread_counts() {
  return std::thread::hardware_concurrency() >= 2 ? std::vector<std::int64_t>{1, 2} : std::vector<std::int64_t>{1};
}

}  // namespace ringworld::bench
