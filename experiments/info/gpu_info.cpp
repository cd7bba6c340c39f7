#include "experiments/info/gpu_info.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "comm/device_choice.hpp"
#include "comm/stop_agreement.hpp"
#include "core/clock.hpp"
#include "core/dtype.hpp"
#include "device/buffer.hpp"
#include "device/gpu.hpp"
#include "experiments/common/gemm_peak.hpp"
#include "experiments/common/ring_link.hpp"
#include "io/console_table.hpp"
#include "kernels/attention/gpu_path.hpp"

namespace ringworld {
namespace {

/// Bytes read and written a second by copies of `bytes` within the GPU's memory: the best of `seconds`.
double measure_copy(DeviceKind memory, std::int64_t bytes, double seconds) {
  Device& gpu = device(memory);
  const Buffer from(bytes, memory);
  const Buffer to(bytes, memory);
  Stream& compute = gpu.compute_stream();
  gpu.fill_zero(from.data(), bytes, compute);
  const auto begin = gpu.make_timing_event();
  const auto end = gpu.make_timing_event();
  double best = 0;
  const double last = now_seconds() + seconds;
  do {
    begin->record(compute);
    gpu.copy(to.data(), from.data(), bytes, compute);
    end->record(compute);
    end->synchronize();
    best = std::max(best, 2 * static_cast<double>(bytes) / end->seconds_since(*begin));
  } while (now_seconds() < last);
  return best;
}

void print_gpu(const GpuDescription& gpu, const GpuState& state) {
  fmt::print("GPU of rank 0\n");
  fmt::print("  name        {} ({})\n", gpu.name, gpu.identity);
  fmt::print("  sm_{}       {} multiprocessors, {}Hz, {}B\n", gpu.compute_capability, gpu.multiprocessors,
             with_si_prefix(gpu.clock), with_si_prefix(static_cast<double>(gpu.memory_bytes)));
  fmt::print("  attention   {}\n", describe_gpu_attention(gpu.compute_capability));
  if (state.is_available) {
    fmt::print("  now         {}Hz, memory {}Hz, {:.0f} W, {:.0f} degrees, throttled: {}\n",
               with_si_prefix(state.clock), with_si_prefix(state.memory_clock), state.power, state.temperature,
               state.throttle_reasons);
  } else {
    fmt::print("  now         clocks are not available: NVML is not on this node\n");
  }
}

}  // namespace

bool show_gpus(const Communicator& world, RankRow mine, const GpuMeasurement& measurement) {
  const Transport transport = world.transport();
  const DeviceKind memory = device_of(measurement.backend);
  const GpuDescription gpu = describe_gpu();
  mine.device = std::string_view(fmt::format("{} {}", gpu.name, gpu.identity));
  const std::vector<RankRow> ranks = world.all_gather(mine);
  const bool is_sharing = !world.all_agree(ranks_on_device(world, memory) == 1);
  // A failed allocation on one rank ends the job with one message. After a signal nothing more is measured.
  bool is_stopped = false;
  const auto mean_of = [&](auto&& measure) {
    double mine_alone = 0;
    is_stopped = is_stopped || is_stop_wanted(world);
    if (is_stopped) {
      return mine_alone;
    }
    world.barrier();
    on_every_rank(world, [&] { mine_alone = measure(); });
    return world.all_reduce(mine_alone, Reduction::sum) / world.size();
  };
  constexpr std::array dtypes{DType::bfloat16, DType::float32};
  std::array<double, dtypes.size()> gemm{};
  for (std::size_t index = 0; index < dtypes.size(); ++index) {
    gemm[index] = mean_of([&] {
      return measure_gemm_peak(measurement.backend, dtypes[index], measurement.gemm_extent, measurement.seconds);
    });
  }
  const double copy = mean_of([&] { return measure_copy(memory, measurement.copy_bytes, measurement.seconds); });
  if (is_stopped || is_stop_wanted(world)) {
    return false;
  }
  const RingLink link = measure_ring_link(Ring(world), measurement.hop_bytes, memory);
  if (!world.is_root()) {
    return true;
  }

  constexpr std::array<std::string_view, 4> columns{"rank", "host", "device", "binding"};
  fmt::print("Ranks\n{}", console_table(std::span<const RankRow>(ranks), columns));
  print_gpu(gpu, GpuMonitor(gpu.identity).sample());
  fmt::print("Measured peaks, a rank, all {} ranks at work{}\n", world.size(), is_sharing ? ", GPUs shared" : "");
  for (std::size_t index = 0; index < dtypes.size(); ++index) {
    const double nominal = nominal_gpu_peak(gpu, dtypes[index]);
    fmt::print("  {} GEMM   {}FLOP/s ({}^3){}\n", dtypes[index] == DType::float32 ? "fp32" : "bf16",
               with_si_prefix(gemm[index]), measurement.gemm_extent,
               nominal > 0 ? fmt::format(", nominal {}FLOP/s", with_si_prefix(nominal)) : "");
  }
  fmt::print("  memory      {}B/s (copy, 2 x {}B)\n", with_si_prefix(copy),
             with_si_prefix(static_cast<double>(measurement.copy_bytes)));
  fmt::print("  transport   {}\n", name_of(transport));
  if (world.size() > 1) {
    fmt::print("  ring        {}B/s each way, {}s a hop (hops of {}B and of 1 B)\n",
               with_si_prefix(link.bytes_per_second), with_si_prefix(link.latency_seconds),
               with_si_prefix(static_cast<double>(measurement.hop_bytes)));
  } else {
    fmt::print("  ring        run under mpirun -n 2 or more to measure it\n");
  }
  return true;
}

}  // namespace ringworld
