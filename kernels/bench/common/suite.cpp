#include "kernels/bench/common/suite.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <time.h>

#include <cstdlib>
#include <thread>
#include <utility>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/isa.hpp"
#include "device/device.hpp"
#include "kernels/bench/common/device_timer.hpp"
#include "perf/samples.hpp"

namespace ringworld::bench {
namespace {

struct Roofs {
  double peak = 0;   // FLOP/s
  double triad = 0;  // B/s
};

void report(benchmark::State& state, const Case& point, const Cost& cost, const Roofs& roofs,
            const SampleSummary& seconds) {
  const auto [peak, triad] = roofs;
  auto& counters = state.counters;
  counters["seconds"] = seconds.median;
  counters["seconds_min"] = seconds.min;
  counters["seconds_max"] = seconds.max;
  if (cost.flop > 0) {
    counters["FLOP/s"] = cost.flop / seconds.median;
    counters["of_peak"] = cost.flop / seconds.median / peak;
    counters["flop"] = cost.flop;
  }
  counters["B/s"] = cost.bytes / seconds.median;
  counters["of_triad"] = cost.bytes / seconds.median / triad;
  counters["bytes"] = cost.bytes;
  counters["flop_per_byte"] = cost.flop / cost.bytes;
  counters["peak_FLOP/s"] = peak;
  counters["triad_B/s"] = triad;
  state.SetLabel(fmt::format("family={} backend={} dtype={} isa={} threads={}", point.family, name_of(point.backend),
                             name_of(point.dtype), name_of(selected_isa()), point.threads));
}

/// Processor time of this thread, s.
double thread_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// By how much each iteration of a case is made longer, as a share of its processor time.
double wanted_slowdown(const std::string& name) {
  const char* const given = std::getenv("RINGWORLD_BENCH_SLOWDOWN");
  const char* const slowed = std::getenv("RINGWORLD_BENCH_SLOWED");
  const bool is_meant = slowed == nullptr || name.find(slowed) != std::string::npos;
  return given != nullptr && is_meant ? std::strtod(given, nullptr) : 0;
}

/// As in scripts/gpu/bench_pytorch.py, which runs beside these.
constexpr int device_warmup = 5;
constexpr int device_iterations = 30;

void prepare(const Operation& operation) {
  if (operation.prepare) {
    operation.prepare();
  }
}

}  // namespace

void Suite::add(const Case& point, SetUp set_up) {
  const bool has_device = is_on_device(point.backend);
  std::shared_ptr<DeviceRoofs>& device_roofs = device_roofs_[point.backend];
  if (has_device && device_roofs == nullptr) {
    device_roofs = std::make_shared<DeviceRoofs>(point.backend);
  }
  const auto run_on_host = [roofs = roofs_, point, set_up](benchmark::State& state) {
    roofs->measure(point.dtype, point.threads);
    const Operation operation = set_up();
    const double slowdown = wanted_slowdown(point.name);
    std::vector<double> seconds;
    std::vector<double> cpu_seconds;
    seconds.reserve(static_cast<std::size_t>(state.max_iterations));
    cpu_seconds.reserve(static_cast<std::size_t>(state.max_iterations));
    for (auto _ : state) {
      prepare(operation);
      const double start = now_seconds();
      const double cpu_start = thread_seconds();
      operation.run();
      if (slowdown > 0) {
        const double end = cpu_start + (1 + slowdown) * (thread_seconds() - cpu_start);
        while (thread_seconds() < end) {
        }
      }
      cpu_seconds.push_back(thread_seconds() - cpu_start);
      seconds.push_back(now_seconds() - start);
    }
    state.counters["cpu_seconds"] = summarize(cpu_seconds).median;
    roofs->measure(point.dtype, point.threads);
    report(state, point, operation.cost, {roofs->fma(point.dtype, point.threads), roofs->triad(point.threads)},
           summarize(seconds));
  };
  const auto run_on_device = [roofs = device_roofs, point, set_up](benchmark::State& state) {
    roofs->measure(point.dtype);
    const Operation operation = set_up();
    DeviceTimer timer(device(device_of(point.backend)));
    for (int call = 0; call < device_warmup; ++call) {
      prepare(operation);
      operation.run();
    }
    std::vector<double> seconds;
    seconds.reserve(static_cast<std::size_t>(state.max_iterations));
    for (auto _ : state) {
      prepare(operation);
      seconds.push_back(timer.seconds_of(operation.run));
      state.SetIterationTime(seconds.back());
    }
    roofs->measure(point.dtype);
    report(state, point, operation.cost, {roofs->gemm(point.dtype), roofs->copy()}, summarize(seconds));
  };
  const auto run = [=](benchmark::State& state) {
    try {
      has_device ? run_on_device(state) : run_on_host(state);
    } catch (const Error& error) {
      state.SkipWithError(error.what());
    }
  };
  auto* registered = benchmark::RegisterBenchmark(point.name.c_str(), run)->Unit(benchmark::kMillisecond);
  // Wall time: the CPU time that Google Benchmark would take is that of one thread.
  has_device ? registered->UseManualTime()->Iterations(device_iterations) : registered->UseRealTime();
}

bool is_on_device(Backend backend) { return traits_of(backend).is_tuned && has_own_memory(device_of(backend)); }

std::vector<Backend> tuned_backends() {
  std::vector<Backend> here;
  for (const Backend backend : all_backends) {
    try {
      if (traits_of(backend).is_tuned) {
        static_cast<void>(device(device_of(backend)));
        here.push_back(backend);
      }
    } catch (const Error&) {  // there is no such device, or the build has no kernels for it
    }
  }
  return here;
}

std::vector<std::int64_t> thread_counts() {
  return std::thread::hardware_concurrency() >= 2 ? std::vector<std::int64_t>{1, 2} : std::vector<std::int64_t>{1};
}

}  // namespace ringworld::bench
