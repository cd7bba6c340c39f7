/// @file  `ringworld attention`: the sweep.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <numeric>
#include <optional>
#include <tuple>
#include <vector>

#include "comm/device_choice.hpp"
#include "comm/environment.hpp"
#include "core/isa.hpp"
#include "core/log.hpp"
#include "core/thread_team.hpp"
#include "device/gpu.hpp"
#include "experiments/attention/config.hpp"
#include "experiments/attention/point.hpp"
#include "experiments/attention/rows.hpp"
#include "experiments/common/gemm_peak.hpp"
#include "experiments/common/job.hpp"
#include "experiments/common/progress.hpp"
#include "io/console_table.hpp"
#include "io/provenance.hpp"
#include "io/record_file.hpp"
#include "perf/peak.hpp"

namespace ringworld {
namespace {

constexpr const char* description =
    "Sweeps ring attention over the product of the lists given, checks every result against fp64, and records times,\n"
    "bytes, memory and errors. One job serves all ring sizes up to its own.";

constexpr double peak_seconds = 0.25;

/// The record, on the root; the other ranks hold none.
class SweepRecord {
 public:
  SweepRecord(const SweepOptions& values, const RunDescription& run)
      : record_(values.resume && std::filesystem::exists(values.output) ? RecordFile::resume(values.output)
                                                                        : RecordFile::create(values.output)),
        run_(count_runs(record_)),
        group_(begin_provenance(record_, run)),
        rows_(record_.read<AttentionRow>()) {
    if (record_.backup().has_value()) {
      log_info(fmt::format("{} existed and is now {}", values.output, record_.backup()->string()));
    }
    record_.commit();
  }

  /// Whether the record holds the point from a run before.
  [[nodiscard]] bool holds(const AttentionRow& point) const {
    return std::ranges::any_of(rows_, [&](const AttentionRow& row) { return is_same_point(row, point); });
  }

  void add(PointResult result) {
    result.row.run = run_;
    const std::int64_t index = record_.append(result.row);
    for (SampleRow& sample : result.samples) {
      sample.attention_row = index;
    }
    for (HopRow& hop : result.hops) {
      hop.attention_row = index;
    }
    record_.append_all(std::span<const SampleRow>(result.samples));
    record_.append_all(std::span<const HopRow>(result.hops));
    record_.commit();
    rows_.push_back(result.row);
  }

  void finish() {
    end_provenance(record_, group_);
    record_.commit();
  }

  [[nodiscard]] const std::vector<AttentionRow>& rows() const { return rows_; }

 private:
  /// Runs that have written to the record before this one.
  static std::int64_t count_runs(const RecordFile& record) {
    std::int64_t runs = 0;
    for (const RankRow& row : record.read<RankRow>()) {
      runs = std::max(runs, row.run + 1);
    }
    return runs;
  }

  RecordFile record_;
  std::int64_t run_;
  std::string group_;
  std::vector<AttentionRow> rows_;
};

/// What the ranks compute on, for people.
std::string describe_device(DeviceKind memory) {
  return memory == DeviceKind::host ? "host" : fmt::format("{} {}", describe_gpu().name, cuda_device_identity());
}

std::string describe_result(const AttentionRow& row) {
  const std::string name = fmt::format("S={} P={} {} {} {} {}", row.context_length, row.ranks, row.layout.view(),
                                       row.pass.view(), row.backend.view(), row.dtype.view());
  if (row.step_time == 0 || !row.valid) {
    return fmt::format("{}: {}", name, row.reason.view());
  }
  return fmt::format("{}: {}s, {}FLOP/s a rank, {:.1f} % of peak, error {:.1e}", name, with_si_prefix(row.step_time),
                     with_si_prefix(row.flops_per_second_per_rank), 100 * row.mfu_measured_peak, row.error);
}

void print_summary(const std::vector<AttentionRow>& rows, const std::string& output) {
  constexpr std::array<std::string_view, 10> columns{
      "context_length",    "ranks",      "layout", "pass", "step_time", "flops_per_second_per_rank",
      "mfu_measured_peak", "peak_bytes", "error",  "valid"};
  fmt::print("{}", console_table(std::span<const AttentionRow>(rows), columns));
  fmt::print("{} points, {} valid -> {}\n", rows.size(), std::ranges::count_if(rows, &AttentionRow::valid), output);
  std::fflush(stdout);
}

/// FMA peak of one rank with all threads of all ranks of `ring` at work.
MeasuredPeak measure_host_peak(const Communicator& ring, DType dtype, int threads) {
  const Isa isa = selected_isa();
  std::vector<double> of_thread(static_cast<std::size_t>(threads));
  ring.barrier();
  run_team(threads, [&](TeamMember member) {
    of_thread[static_cast<std::size_t>(member.index)] = measure_fma_peak(isa, dtype, peak_seconds);
  });
  const double all = ring.all_reduce(std::accumulate(of_thread.begin(), of_thread.end(), 0.0), Reduction::sum);
  return {.flops_per_second = all / ring.size(), .nominal_flops_per_second = nominal_fma_peak(isa, dtype) * threads};
}

/// What matrix products of one rank reach on its GPU, with all ranks of `ring` at work.
MeasuredPeak measure_gpu_peak(const Communicator& ring, DType dtype, std::int64_t extent) {
  double mine = 0;
  ring.barrier();
  on_every_rank(ring, [&] { mine = measure_gemm_peak(Backend::cuda, dtype, extent, peak_seconds); });
  return {.flops_per_second = ring.all_reduce(mine, Reduction::sum) / ring.size(),
          .nominal_flops_per_second = nominal_gpu_peak(describe_gpu(), dtype)};
}

/// The first `ranks` ranks of the job form a ring; the others hold a null communicator.
class RingSizes {
 public:
  explicit RingSizes(Communicator world) : world_(std::move(world)) {}

  /// Collective over the job.
  const Communicator& of(const SweepPoint& point) {
    const std::pair key{point.ranks, point.transport};
    const auto found = rings_.find(key);
    if (found != rings_.end()) {
      return found->second;
    }
    const Communicator ring = world_.split(world_.rank() < point.ranks ? 0 : -1, world_.rank());
    return rings_.emplace(key, ring.is_null() ? ring : ring.with_transport(point.transport)).first->second;
  }

 private:
  Communicator world_;
  std::map<std::pair<std::int64_t, Transport>, Communicator> rings_;
};

/// Decides the transport of each point on GPUs. Collective over the job.
/// @throws Error(bad_input), on every rank, when one cannot be had
void decide_transports(const Communicator& world, RingSizes& rings, std::vector<SweepPoint>& points) {
  for (SweepPoint& point : points) {
    if (point.plan.backend != Backend::cuda) {
      continue;
    }
    const Communicator& ring = rings.of(point);
    std::int64_t decided = 0;
    on_every_rank(world, [&] { decided = ring.is_null() ? 0 : static_cast<std::int64_t>(ring.transport()); });
    // Ranks outside the ring do not know; the root is in every ring.
    world.broadcast(std::as_writable_bytes(std::span(&decided, 1)), 0);
    point.transport = static_cast<Transport>(decided);
  }
}

}  // namespace

int run_attention(const Job& job) {
  SweepOptions values;
  Options options("attention", description);
  declare(options, values);
  if (!parse_options(job, options)) {
    return 0;
  }
  const Communicator& world = job.world;
  std::vector<SweepPoint> points;
  RankRow mine;
  DeviceKind memory = DeviceKind::host;
  on_every_rank(world, [&] { memory = device_of(values); });
  take_device(world, memory);
  on_every_rank(world, [&] {
    points = make_points(values, world.size());
    mine = describe_this_process(world.rank());
    mine.device = std::string_view(describe_device(memory));
  });
  RingSizes rings(world);
  decide_transports(world, rings, points);
  const RunDescription run{.arguments = job.command_line,
                           .configuration = options.to_toml(),
                           .seeds = {values.seed},
                           .ranks = world.all_gather(mine),
                           .extra = {{"mpi_library", Environment::library_version()}}};
  std::optional<SweepRecord> record;
  on_root(world, [&] { record.emplace(values, run); });

  std::map<std::tuple<std::int64_t, DType, int, DeviceKind>, MeasuredPeak> peaks;
  SweepProgress progress(static_cast<std::int64_t>(points.size()), world.is_root());
  std::int64_t failed_checks = 0;
  for (const SweepPoint& point : points) {
    std::int64_t is_done = 0;
    on_root(world, [&] { is_done = record->holds(describe_point(point, values.seed)) ? 1 : 0; });
    if (world.all_reduce(is_done, Reduction::max) == 1) {
      progress.skip();
      continue;
    }
    const Communicator& ring = rings.of(point);
    if (!ring.is_null()) {
      const DType dtype = point.plan.problem.dtype;
      const DeviceKind kind = device_of(point.plan.backend);
      const auto [peak, is_new] = peaks.try_emplace({point.ranks, dtype, point.plan.threads, kind});
      if (is_new) {
        peak->second = kind == DeviceKind::cuda ? measure_gpu_peak(ring, dtype, values.gemm_extent)
                                                : measure_host_peak(ring, dtype, point.plan.threads);
      }
      PointResult result = run_point(ring, point, values, peak->second);
      if (world.is_root()) {
        const std::string line = describe_result(result.row);
        record->add(std::move(result));
        progress.advance(line);
      }
    }
    // Ranks outside the ring must not spin: they would take the cores of those that compute.
    world.barrier_asleep();
  }
  on_root(world, [&] {
    record->finish();
    failed_checks = std::ranges::count_if(record->rows(), has_failed_check);
    print_summary(record->rows(), values.output);
  });
  return world.all_reduce(failed_checks, Reduction::max) == 0 ? 0 : 1;
}

}  // namespace ringworld
