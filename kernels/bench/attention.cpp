/// @file  Block attention, one thread: FLOP/s (causal FLOPs counted) and the share of the FMA peak measured just
/// before.
///
///   bench_attention --benchmark_filter='forward/host/.*'

#include "kernels/attention/attention.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "core/build_info.hpp"
#include "core/isa.hpp"
#include "core/random.hpp"
#include "perf/attention_model.hpp"
#include "perf/peak.hpp"

namespace ringworld {
namespace {

struct Case {
  Backend backend;
  AttentionPass pass;
  DType dtype;
  std::int64_t tokens;
  std::int64_t head_size;
};

/// A buffer of normals; the bits of a bfloat16 tensor when `dtype` asks for it.
std::vector<std::byte> make_values(DType dtype, std::int64_t count, std::uint64_t stream) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(count * size_of(dtype)));
  const CounterRng rng(1, stream);
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    T* values = reinterpret_cast<T*>(bytes.data());
    for (std::int64_t i = 0; i < count; ++i) {
      values[i] = static_cast<T>(rng.normals(static_cast<std::uint64_t>(i / 4))[static_cast<std::size_t>(i % 4)]);
    }
  });
  return bytes;
}

void run(benchmark::State& state, const Case& point, double peak) {
  const std::array<std::int64_t, 4> shape{1, point.tokens, 1, point.head_size};
  const std::array<std::int64_t, 3> rows{1, 1, point.tokens};
  const auto elements = static_cast<std::size_t>(element_count(shape));
  const auto tokens = static_cast<std::size_t>(point.tokens);
  auto q = make_values(point.dtype, element_count(shape), 1);
  auto k = make_values(point.dtype, element_count(shape), 2);
  auto v = make_values(point.dtype, element_count(shape), 3);
  auto dout = make_values(point.dtype, element_count(shape), 4);
  std::vector<float> maximum(tokens), sum(tokens), lse(tokens), delta(tokens);
  std::vector<float> output(elements), dq(elements), dk(elements), dv(elements);
  std::vector<std::byte> out(elements * static_cast<std::size_t>(size_of(point.dtype)));

  const auto view = [&](std::vector<std::byte>& bytes) { return ActivationView(bytes.data(), point.dtype, shape); };
  const auto floats = [&](std::vector<float>& values) { return TensorView<float, 4>(values.data(), shape); };
  const auto numbers = [&](std::vector<float>& values) { return TensorView<float, 3>(values.data(), rows); };
  const BlockMask mask{.is_causal = true, .diagonal = 0, .query_segments = {}, .key_segments = {}};
  const AttentionState running{numbers(maximum), numbers(sum),
                               TensorView<float, 4>(output.data(), {1, 1, point.tokens, point.head_size})};
  const auto kernel = make_block_attention(
      point.backend, {.head_size = point.head_size,
                      .scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(point.head_size)))});
  const auto forward = [&] {
    kernel->reset(running);
    kernel->accumulate({.q = view(q), .k = view(k), .v = view(v), .mask = mask}, running, {});
    kernel->finalize(running, view(out), numbers(lse));
  };
  forward();
  kernel->output_dot_gradient(view(out), view(dout), numbers(delta));

  for (auto _ : state) {
    if (point.pass == AttentionPass::forward) {
      forward();
    } else {
      kernel->backward({.q = view(q),
                        .k = view(k),
                        .v = view(v),
                        .dout = view(dout),
                        .lse = numbers(lse),
                        .delta = numbers(delta),
                        .mask = mask},
                       {.dq = floats(dq), .dk = floats(dk), .dv = floats(dv)}, {});
    }
  }
  const double flop = attention_flop({.context_length = point.tokens,
                                      .batch = 1,
                                      .heads = 1,
                                      .kv_heads = 1,
                                      .head_size = point.head_size,
                                      .dtype = point.dtype,
                                      .wire_dtype = point.dtype},
                                     point.pass, true) *
                      static_cast<double>(state.iterations());
  state.counters["FLOP/s"] = benchmark::Counter(flop, benchmark::Counter::kIsRate);
  state.counters["of_peak"] = benchmark::Counter(flop / peak, benchmark::Counter::kIsRate);
}

void register_cases(double peak) {
  for (const Backend backend : {Backend::host, Backend::kokkos, Backend::reference}) {
    for (const AttentionPass pass : {AttentionPass::forward, AttentionPass::backward}) {
      for (const DType dtype : {DType::float32, DType::bfloat16}) {
        for (const std::int64_t head_size : {64, 128}) {
          for (const std::int64_t tokens : {1024, 8192}) {
            if (backend != Backend::host && tokens > 1024) {
              continue;  // seconds a pass
            }
            const Case point{backend, pass, dtype, tokens, head_size};
            const std::string name =
                fmt::format("{}/{}/{}/S:{}/D:{}", pass == AttentionPass::forward ? "forward" : "backward",
                            name_of(backend), name_of(dtype), tokens, head_size);
            benchmark::RegisterBenchmark(name.c_str(), [point, peak](benchmark::State& state) {
              run(state, point, peak);
            })->Unit(benchmark::kMillisecond);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace ringworld

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const ringworld::BuildInfo& build = ringworld::build_info();
  const double peak = ringworld::measure_fma_peak(ringworld::selected_isa(), ringworld::DType::float32, 0.5);
  benchmark::AddCustomContext("git_revision", std::string(build.git_revision));
  benchmark::AddCustomContext("compiler", fmt::format("{} {}", build.compiler, build.compiler_flags));
  benchmark::AddCustomContext("isa", std::string(ringworld::name_of(ringworld::selected_isa())));
  benchmark::AddCustomContext("measured_fma_peak_flops_per_second", fmt::format("{:.6g}", peak));
  ringworld::register_cases(peak);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
