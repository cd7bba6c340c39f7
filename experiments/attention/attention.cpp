/// @file  `ringworld attention`: the sweep.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

#include "comm/device_choice.hpp"
#include "comm/nodes.hpp"
#include "comm/stop_agreement.hpp"
#include "core/activity.hpp"
#include "core/clock.hpp"
#include "core/isa.hpp"
#include "core/last_words.hpp"
#include "core/log.hpp"
#include "core/thread_team.hpp"
#include "device/gpu.hpp"
#include "experiments/attention/config.hpp"
#include "experiments/attention/plan_drawing.hpp"
#include "experiments/attention/point.hpp"
#include "experiments/attention/prediction.hpp"
#include "experiments/attention/rows.hpp"
#include "experiments/common/busy_node.hpp"
#include "experiments/common/cpu_sharing.hpp"
#include "experiments/common/figures_of_merit.hpp"
#include "experiments/common/gemm_peak.hpp"
#include "experiments/common/job.hpp"
#include "experiments/common/job_files.hpp"
#include "experiments/common/point_verdicts.hpp"
#include "experiments/common/progress.hpp"
#include "experiments/common/run_record.hpp"
#include "io/console_table.hpp"
#include "io/csv_table.hpp"
#include "perf/peak.hpp"

namespace ringworld {
namespace {

constexpr const char* description =
    "Sweeps attention between ranks over the product of the lists given, checks every result against fp64, and records "
    "times,\n"
    "bytes, memory and errors. One job serves all ring sizes up to its own.";

constexpr double peak_seconds = 0.25;

/// Brings the figures of a probe to their arrays, and the row that says where they are to its table.
void add_overlap(RunRecord& record, const OverlapProbe& probe) {
  const auto [t_compute, t_comm, t_both, bytes] = OverlapRow::arrays();
  OverlapRow row = probe.row;
  row.first = record.append_numbers<float>(t_compute, probe.t_compute);
  record.append_numbers<float>(t_comm, probe.t_comm);
  record.append_numbers<float>(t_both, probe.t_both);
  record.append_numbers<std::int64_t>(bytes, probe.bytes);
  record.append_all(std::span<const OverlapRow>(&row, 1));
}

/// Brings a point and its samples to the record.
void add_result(RunRecord& record, PointResult& result) {
  record.write([&] {
    const std::int64_t index = record.append(result.row);
    for (SampleRow& sample : result.samples) {
      sample.attention_row = index;
    }
    record.append_all(std::span<const SampleRow>(result.samples));
    if (result.overlap.has_value()) {
      result.overlap->row.attention_row = index;
      add_overlap(record, *result.overlap);
    }
  });
}

/// Description of the devices on which the ranks compute, for messages.
std::string describe_devices(const std::set<DeviceKind>& kinds) {
  std::string text;
  for (const DeviceKind kind : kinds) {
    const std::string identity = device(kind).identity();
    text += (text.empty() ? "" : ", ") + device(kind).name() + (identity.empty() ? "" : " " + identity);
  }
  return text.empty() ? "host" : text;
}

Schedule schedule_of(const AttentionRow& row) {
  Schedule schedule = find_enumerator<ScheduleKind>(row.schedule.view()).value_or(ScheduleKind::ring);
  schedule.ulysses = static_cast<int>(row.ulysses);
  schedule.window = static_cast<int>(row.window);
  schedule.head_groups = static_cast<int>(row.head_groups);
  schedule.is_trimmed = row.trim;
  return schedule;
}

std::string name_of_point(const AttentionRow& row) {
  return fmt::format("S={} P={} {} {} {} {} {}", row.context_length, row.ranks, describe(schedule_of(row)),
                     row.layout.view(), row.pass.view(), row.backend.view(), row.dtype.view());
}

std::string describe_result(const AttentionRow& row) {
  const std::string name = name_of_point(row);
  if (row.step_time == 0 || !row.valid) {
    return fmt::format("{}: {}", name, row.reason.view());
  }
  return fmt::format("{}: {}s{}, {}FLOP/s a rank, {:.1f} % of peak, error {:.1e}", name, with_si_prefix(row.step_time),
                     row.noisy ? " (noisy)" : "", with_si_prefix(row.flops_per_second_per_rank),
                     100 * row.mfu_measured_peak, row.error);
}

FigureOfMerit figure_of(const AttentionRow& row) {
  const auto whole = [](std::int64_t value) { return fmt::format("{}", value); };
  return {.name = "attention_rate",
          .value = row.flops_per_second_per_rank,
          .unit = "FLOP/s",
          .keys = {{"context_length", whole(row.context_length)},
                   {"ranks", whole(row.ranks)},
                   {"schedule", describe(schedule_of(row))},
                   {"layout", std::string(row.layout.view())},
                   {"pass", std::string(row.pass.view())},
                   {"backend", std::string(row.backend.view())},
                   {"dtype", std::string(row.dtype.view())},
                   {"heads", whole(row.heads)},
                   {"head_size", whole(row.head_size)},
                   {"threads", whole(row.threads)},
                   {"seconds", fmt::format("{:.6g}", row.step_time)},
                   {"repeats", whole(row.repeats_done)},
                   {"noisy", row.noisy ? "yes" : "no"},
                   {"joules", row.energy > 0 ? fmt::format("{:.6g}", row.energy) : "not available"},
                   {"gpu_joules", row.gpu_energy > 0 ? fmt::format("{:.6g}", row.gpu_energy) : "not available"}},
          .is_valid = row.valid};
}

void print_summary(const std::vector<AttentionRow>& rows, const std::string& output, bool is_csv) {
  std::vector<std::string_view> columns{"context_length", "ranks", "schedule"};
  const auto show_if_used = [&](std::string_view column, auto member, auto usual) {
    if (std::ranges::any_of(rows, [&](const AttentionRow& row) { return row.*member != usual; })) {
      columns.push_back(column);
    }
  };
  show_if_used("ulysses", &AttentionRow::ulysses, 1);
  show_if_used("window", &AttentionRow::window, 0);
  show_if_used("head_groups", &AttentionRow::head_groups, 1);
  show_if_used("trim", &AttentionRow::trim, false);
  columns.insert(columns.end(), {"layout", "pass", "step_time"});
  show_if_used("noisy", &AttentionRow::noisy, false);
  columns.push_back("flops_per_second_per_rank");
  show_if_used("energy", &AttentionRow::energy, 0.0);
  show_if_used("gpu_energy", &AttentionRow::gpu_energy, 0.0);
  columns.insert(columns.end(), {"mfu_measured_peak", "peak_bytes", "error", "valid"});
  fmt::print("{}", text_table(std::span<const AttentionRow>(rows), columns, is_csv));
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

/// Measured rate of matrix products of one rank on its device, while all ranks of `ring` compute.
MeasuredPeak measure_device_peak(const Communicator& ring, Backend backend, DType dtype, std::int64_t largest_extent) {
  double mine = 0;
  ring.barrier();
  on_every_rank(ring, [&] { mine = measure_growing_gemm_peak(backend, dtype, largest_extent, peak_seconds); });
  return {.flops_per_second = ring.all_reduce(mine, Reduction::sum) / ring.size(),
          .nominal_flops_per_second = is_gpu(device_of(backend)) ? nominal_gpu_peak(describe_gpu(), dtype) : 0};
}

/// What simulated kernels reach at most.
MeasuredPeak fastest_attention(const RateTable& rates) {
  double fastest = 0;
  for (const RateTable::Attention& each : rates.attention) {
    fastest = std::max(fastest, each.flops_per_second.value);
  }
  return {.flops_per_second = fastest, .nominal_flops_per_second = 0};
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
    if (!is_gpu(device_of(point.plan.backend))) {
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

/// Warns of the first ring size and number of threads that do not fit the CPUs, or do not beside other work. Collective over
/// the job.
void warn_of_lacking_cpus(const Communicator& world, const std::vector<SweepPoint>& points) {
  std::set<std::pair<std::int64_t, int>> teams;
  for (const SweepPoint& point : points) {
    teams.emplace(point.ranks, point.plan.threads);
  }
  std::int64_t most = 0;
  for (const auto& [ranks, threads] : teams) {
    const std::int64_t mine{world.rank() < ranks ? threads : 0};
    if (warn_of_shared_cpus(world, mine)) {
      return;
    }
    most = std::max(most, mine);
  }
  static_cast<void>(warn_of_busy_nodes(world, most));
}

/// What the time of each point depends on, for the rank that shows it: FLOP of a rank in one pass.
std::vector<double> work_of(const std::vector<SweepPoint>& points, const SweepOptions& values) {
  std::vector<double> work;
  for (const SweepPoint& point : points) {
    const AttentionRow row = describe_point(point, values);
    work.push_back((row.causal ? row.flop_causal : row.flop_full) / static_cast<double>(row.ranks));
  }
  return work;
}

void say_what_is_left_out(const Communicator& world, const SweepPoints& sweep) {
  if (sweep.left_out > 0 && world.is_root()) {
    log_info(fmt::format("{} combinations are left out; the first: {}", sweep.left_out, sweep.first_of_left_out));
  }
}

/// Collective over the job; the root prints.
void draw_plans(const Communicator& world, const SweepOptions& values) {
  std::vector<int> nodes = nodes_of(world);
  const auto most = std::max(
      nodes.size(), static_cast<std::size_t>(std::max<std::int64_t>(0, *std::ranges::max_element(values.ranks))));
  const auto of_node =
      static_cast<int>(values.ranks_per_node > 0 ? values.ranks_per_node : given_ranks_per_node().value_or(0));
  if (of_node > 0) {
    nodes = nodes_of_equal_size(static_cast<int>(most), of_node);
  }
  nodes.resize(most, nodes.back());
  SweepPoints sweep;
  on_every_rank(world, [&] { sweep = make_points(values, nodes); });
  say_what_is_left_out(world, sweep);
  if (!world.is_root()) {
    return;
  }
  std::string text;
  if (values.predict) {
    const Predictor predictor(values);
    std::vector<AttentionRow> rows;
    for (const SweepPoint& point : sweep.points) {
      rows.push_back(describe_point(point, values));
      predictor.predict(point, values.overlap, rows.back());
    }
    fmt::print("{}", prediction_table(rows));
    std::fflush(stdout);
    return;
  }
  for (const SweepPoint& point : sweep.points) {
    text += text.empty() ? "" : "\n";
    text += draw_plan(point);
  }
  fmt::print("{}", text);
  std::fflush(stdout);
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
  if (values.dry_run) {
    draw_plans(world, values);
    return 0;
  }
  std::vector<JobFile> reads;
  if (!is_single_rate(values.rates)) {
    reads.push_back({.flag = "--rates", .path = values.rates});
  }
  const JobFiles files(
      job, reads,
      {{.flag = "--output", .path = values.output}, {.flag = "--rates-output", .path = values.rates_output}});
  SweepPoints sweep;
  const std::set<DeviceKind> devices = devices_of(values);
  for (const DeviceKind kind : devices) {
    take_device(world, kind);
  }
  const std::vector<int> nodes = nodes_of(world);
  on_every_rank(world, [&] { sweep = make_points(values, nodes); });
  say_what_is_left_out(world, sweep);
  std::vector<SweepPoint>& points = sweep.points;
  RingSizes rings(world);
  decide_transports(world, rings, points);
  RunRecord record(job, {.output = values.output,
                         .is_resumed = values.resume,
                         .retries_failed = values.retry_failed,
                         .configuration = options.to_toml(),
                         .seeds = {values.seed},
                         .device = describe_devices(devices)});
  warn_of_lacking_cpus(world, points);  // all that was given is right: whoever erred reads of that alone

  std::map<std::tuple<std::int64_t, DType, int, DeviceKind>, MeasuredPeak> peaks;
  Predictor predictor(values);
  on_root(world, [&] {
    if (record.has(LinkRow::path)) {
      predictor.use_links(record.rows<LinkRow>());
    }
  });
  // Of a thousand simulated ranks each would go through all points again.
  SweepProgress progress(world.is_root() ? work_of(points, values) : std::vector<double>(points.size()),
                         world.is_root());
  bool is_stopped = false;
  for (const SweepPoint& point : points) {
    is_stopped = is_stop_wanted(world);
    if (is_stopped) {
      break;
    }
    const AttentionRow described = describe_point(point, values);
    if (record.holds(described)) {
      progress.skip();
      continue;
    }
    progress.begin();
    const Phase phase = Phase::named(name_of_point(described));
    const Communicator& ring = rings.of(point);
    PointResult result;
    if (!ring.is_null()) {
      const LastWords words([&record, cut = described, begin = now_seconds()](const std::string& reason) mutable {
        const bool is_overdue = cut.time_limit > 0 && now_seconds() - begin >= cut.time_limit;
        conclude(cut, is_overdue ? Outcome::timeout : Outcome::interrupted, reason);
        record.add_last_words(cut);
      });
      const DType dtype = point.plan.problem.dtype;
      const DeviceKind kind = device_of(point.plan.backend);
      const auto [peak, is_new] = peaks.try_emplace({point.ranks, dtype, point.plan.threads, kind});
      if (is_new) {
        peak->second = point.simulation != nullptr ? fastest_attention(point.simulation->rates)
                       : has_own_memory(kind) ? measure_device_peak(ring, point.plan.backend, dtype, values.gemm_extent)
                                              : measure_host_peak(ring, dtype, point.plan.threads);
      }
      result = run_point(ring, point, values, peak->second);
      if (values.predict && result.row.step_time > 0) {
        predictor.measure_and_predict(ring, point, result);
      }
    }
    // Ranks outside the ring must not spin: they would take the cores of those that compute.
    world.barrier_asleep();
    add_result(record, result);
    progress.advance(describe_result(result.row));
  }
  record.finish();
  on_root(world, [&] { predictor.write_rates(); });
  PointVerdicts verdicts;
  on_root(world, [&] {
    std::vector<FigureOfMerit> figures;
    for (const SweepPoint& point : points) {
      const AttentionRow* const row = record.find(describe_point(point, values));
      verdicts.count(row == nullptr ? Outcome::interrupted : outcome_of(*row));
      if (row != nullptr) {
        figures.push_back(figure_of(*row));
      }
    }
    print_summary(record.rows<AttentionRow>(), values.output, values.csv);
    if (values.predict) {
      fmt::print("{}", prediction_table(record.rows<AttentionRow>()));
    }
    print_figures(figures);
    verdicts.print_advice();
  });
  if (is_stopped) {
    return stopped_early(
        job, fmt::format("the points that are left are not measured; --resume goes on in {}", values.output));
  }
  return verdicts.exit_code(world);
}

}  // namespace ringworld
