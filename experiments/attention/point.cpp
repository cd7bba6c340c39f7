#include "experiments/attention/point.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <span>
#include <string>

#include "comm/device_choice.hpp"
#include "core/activity.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/simulated_ranks.hpp"
#include "core/trace.hpp"
#include "device/buffer.hpp"
#include "device/gpu.hpp"
#include "device/simulated/simulated_device.hpp"
#include "experiments/attention/overlap_probe.hpp"
#include "experiments/common/names.hpp"
#include "experiments/common/point_data.hpp"
#include "experiments/common/repeats.hpp"
#include "experiments/common/sampled_check.hpp"
#include "io/outcome.hpp"
#include "kernels/attention/cost.hpp"
#include "perf/energy_meter.hpp"
#include "perf/peak.hpp"
#include "perf/resident_memory.hpp"
#include "perf/samples.hpp"
#include "sequence/plan_cost.hpp"

namespace ringworld {
namespace {

/// How long after a point's time limit its passes may go on without progress before the job ends: host code looks at
/// the deadline between tiles, a GPU has two ring steps before it. What takes longer hangs, and cannot be taken back.
constexpr double patience_past_deadline = 15;  // s

/// Rounded up: in a trimmed ring some ranks make fewer transfers than others.
std::int64_t mean_of_ranks(std::int64_t of_all, std::int64_t ranks) { return (of_all + ranks - 1) / ranks; }

/// Throws out_of_memory when the node, or the GPU, cannot hold the point. Linux overcommits host memory; without this
/// check the OOM killer would end the job.
void require_memory(const Communicator& ring, const SweepPoint& point) {
  const AttentionProblem& problem = point.plan.problem;
  const Partition partition(point.plan.layout, problem.context_length, point.ranks, point.plan.schedule.ulysses);
  const std::int64_t needed =
      attention_peak_bytes(point.plan.schedule, problem, point.plan.pass, *point.plan.backward_rotation, point.ranks,
                           partition.tokens_per_rank(), 0);
  const DeviceKind memory = device_of(point.plan.backend);
  const std::int64_t sharers = ranks_on_device(ring, memory);
  const std::int64_t available = device(memory).available_bytes() / sharers;
  on_every_rank(ring, [&] {
    if (needed > available) {
      throw Error(ErrorKind::out_of_memory,
                  fmt::format("out of memory: {} bytes needed a rank, {} available", needed, available));
    }
  });
}

/// Runs the timed pass once. For `backward`, the forward pass before it has been run.
SequenceTraffic run_pass(PointData& data) {
  SequenceTraffic traffic;
  const auto add = [&] { traffic += data.attention().traffic(); };
  if (data.options().pass != AttentionPass::backward) {
    data.attention().forward(data.forward());
    add();
  }
  if (data.has_backward()) {
    data.attention().backward(data.backward());
    add();
  }
  return traffic;
}

/// The timed repeats.
struct Timings {
  std::vector<double> slowest;     ///< of each repeat
  std::vector<SampleRow> samples;  ///< of each repeat and rank
  SequenceTraffic traffic;         ///< of this rank in the last pass
  double energy = 0;               ///< of a pass, J of the processors of all nodes; 0: not available
  double gpu_energy = 0;           ///< the same of all GPUs
  bool has_timed_out = false;
};

/// Samples the clocks, power and temperature of a rank's GPU.
class GpuSampler {
 public:
  explicit GpuSampler(DeviceKind memory) {
    if (is_gpu(memory)) {
      monitor_.emplace(device(memory).identity());
    }
  }

  /// Now; only the GPU's columns are filled.
  [[nodiscard]] SampleRow sample() const {
    SampleRow row;
    if (monitor_.has_value()) {
      const GpuState state = monitor_->sample();
      row.clock = state.clock;
      row.memory_clock = state.memory_clock;
      row.power = state.power;
      row.temperature = state.temperature;
      row.throttle_reasons = std::string_view(state.throttle_reasons);
    }
    return row;
  }

  /// J of this rank's GPU so far; nothing without one, or where it does not tell.
  [[nodiscard]] std::optional<double> joules() const {
    return monitor_.has_value() ? monitor_->joules() : std::nullopt;
  }

 private:
  std::optional<GpuMonitor> monitor_;
};

/// The energy of the nodes of a ring: one rank of each node reads its counters.
class RingEnergy {
 public:
  RingEnergy(const Communicator& ring, const std::vector<int>& nodes) : ring_(ring) {
    if (nodes[static_cast<std::size_t>(ring.rank())] == ring.rank()) {
      meter_.emplace();
    }
  }

  void read() {
    if (meter_.has_value()) {
      meter_->read();
    }
  }

  /// J since the beginning; 0 when some node does not tell. Collective.
  [[nodiscard]] double joules() const {
    const double mine = meter_.has_value() ? meter_->joules().value_or(std::numeric_limits<double>::quiet_NaN()) : 0;
    const double all = ring_.all_reduce(mine, Reduction::sum);
    return std::isnan(all) ? 0 : all;
  }

 private:
  Communicator ring_;
  std::optional<EnergyMeter> meter_;
};

Timings time_passes(const Communicator& ring, const SweepPoint& point, PointData& data, const SweepOptions& values) {
  Timings timings;
  std::optional<RingEnergy> energy;
  std::optional<double> gpu_joules;  // at the begin
  // Simulated time has no spread.
  const bool is_exact = are_ranks_simulated() && values.repeats.is_automatic;
  const Repeats wanted = is_exact ? Repeats(1) : values.repeats;
  const GpuSampler sampler(data.memory());
  Stream& compute = device(data.memory()).compute_stream();
  const auto has_missed = [&] { return !ring.all_agree(!data.attention().has_missed_deadline()); };
  if (data.options().pass == AttentionPass::backward) {
    data.attention().forward(data.forward());
  }
  // Every rank holds the samples of all, so that all end together.
  for (std::int64_t repeat = -values.warmup;
       repeat < 0 || !has_enough_repeats(wanted, values.repeat_seconds, timings.slowest) ||
       std::accumulate(timings.slowest.begin(), timings.slowest.end(), 0.0) < values.least_seconds;
       ++repeat) {
    compute.synchronize();
    ring.barrier();
    if (repeat == 0) {
      energy.emplace(ring, point.nodes);
      gpu_joules = sampler.joules();
    }
    const double start = now_seconds();
    {
      const TraceRegion region({.format = repeat < 0 ? "warm-up" : "repeat {}", .values = {repeat}});
      timings.traffic = run_pass(data);
      compute.synchronize();
    }
    const double seconds = now_seconds() - start;
    SampleRow mine = sampler.sample();
    mine.repeat = repeat;
    mine.rank = ring.rank();
    mine.seconds = seconds;
    const std::vector<SampleRow> samples = ring.all_gather(mine);
    if (has_missed()) {
      timings.has_timed_out = true;
      return timings;
    }
    if (repeat < 0) {
      continue;
    }
    timings.samples.insert(timings.samples.end(), samples.begin(), samples.end());
    timings.slowest.push_back(std::ranges::max(samples, {}, &SampleRow::seconds).seconds);
    energy->read();
  }
  const auto passes = static_cast<double>(timings.slowest.size());
  timings.energy = energy->joules() / passes;
  if (is_gpu(data.memory())) {
    // Ranks that share a GPU have each their part.
    const std::optional<double> now = sampler.joules();
    const double mine = gpu_joules.has_value() && now.has_value()
                            ? (*now - *gpu_joules) / ranks_on_device(ring, data.memory())
                            : std::numeric_limits<double>::quiet_NaN();
    const double all = ring.all_reduce(mine, Reduction::sum);
    timings.gpu_energy = std::isnan(all) ? 0 : all / passes;
  }
  return timings;
}

void fill_timings(AttentionRow& row, const Timings& timings, const MeasuredPeak& peak) {
  row.repeats_done = static_cast<std::int64_t>(timings.slowest.size());
  if (timings.slowest.empty()) {
    return;
  }
  const SampleSummary summary = summarize(timings.slowest);
  row.step_time = summary.median;
  row.step_time_min = summary.min;
  row.step_time_max = summary.max;
  row.noisy = is_noisy(timings.slowest);
  row.energy = timings.energy;
  row.gpu_energy = timings.gpu_energy;
  const double flop = row.causal ? row.flop_causal : row.flop_full;
  row.flops_per_second_per_rank = flop / summary.median / static_cast<double>(row.ranks);
  row.peak_flops_per_second = peak.flops_per_second;
  row.mfu_measured_peak = row.flops_per_second_per_rank / peak.flops_per_second;
  row.nominal_flops_per_second = peak.nominal_flops_per_second;
  if (row.nominal_flops_per_second > 0) {
    row.mfu_nominal_peak = row.flops_per_second_per_rank / row.nominal_flops_per_second;
  }
  row.tokens_per_second = static_cast<double>(row.batch * row.context_length) / summary.median;
}

/// Holds what was measured against what it should be; the first contradiction becomes the reason.
void judge(PointResult& result) {
  AttentionRow& row = result.row;
  conclude(row, Outcome::ok);
  const auto fail = [&](const std::string& reason, Outcome outcome = Outcome::failed_check) {
    if (row.valid) {
      conclude(row, outcome, reason);
    }
  };
  if (row.probe_wrong_rows > 0) {
    fail(fmt::format("the probe found {} of {} rows wrong; {}", row.probe_wrong_rows, row.probe_rows,
                     row.probe_first_wrong.view()));
  }
  if (!std::isfinite(row.error)) {
    fail("the result holds NaN or infinity", Outcome::not_finite);
  }
  if (row.error > row.error_tolerance) {
    fail(fmt::format("error {:.3g} is above the tolerance {:.3g}", row.error, row.error_tolerance));
  }
  if (row.lse_error > row.lse_error_tolerance) {
    fail(fmt::format("error {:.3g} of lse is above the tolerance {:.3g}", row.lse_error, row.lse_error_tolerance));
  }
  if (row.hops != row.hops_model) {
    fail(fmt::format("{} transfers were made, {} expected", row.hops, row.hops_model));
  }
  if (row.messages != row.messages_model) {
    fail(fmt::format("{} messages were sent, {} expected", row.messages, row.messages_model));
  }
  if (row.wire_bytes != row.wire_bytes_model) {
    fail(fmt::format("{} bytes were sent, {} expected", row.wire_bytes, row.wire_bytes_model));
  }
  if (row.wire_bytes_between_nodes != row.wire_bytes_between_nodes_model) {
    fail(fmt::format("{} bytes were sent between nodes, {} expected", row.wire_bytes_between_nodes,
                     row.wire_bytes_between_nodes_model));
  }
}

/// Holds a pass on inputs of known answer against it.
void look_at_probe(PointData& data, AttentionRow& row) {
  const ProbeVerdict verdict = data.check_probe();
  row.probe_rows = verdict.rows;
  row.probe_wrong_rows = verdict.wrong_rows;
  if (verdict.first.has_value()) {
    row.probe_first_wrong = std::string_view(describe(*verdict.first));
  }
}

/// While passes run, a device that stands still for longer than the point may take ends the job with a row.
std::optional<Patience> patience_of(const SweepOptions& values) {
  return values.time_limit > 0 ? std::optional<Patience>(std::in_place, values.time_limit + patience_past_deadline)
                               : std::nullopt;
}

/// One pass on the probe, whatever is timed later: random inputs cannot show a single key that was lost among many.
void run_probe(PointData& data, const SweepOptions& values, AttentionRow& row) {
  {
    const TraceRegion region("retrieval probe");
    const std::optional<Patience> patience = patience_of(values);
    data.attention().forward(data.forward());
    if (data.has_backward()) {
      data.attention().backward(data.backward());
    }
    device(data.memory()).compute_stream().synchronize();
  }
  if (data.ranks().all_agree(!data.attention().has_missed_deadline())) {
    look_at_probe(data, row);
  }
}

void measure(const Communicator& ring, const SweepPoint& point, const SweepOptions& values, const MeasuredPeak& peak,
             PointResult& result) {
  AttentionRow& row = result.row;
  const double deadline =
      values.time_limit > 0 ? now_seconds() + values.time_limit : std::numeric_limits<double>::infinity();
  const DeviceKind memory = device_of(point.plan.backend);
  require_memory(ring, point);
  set_memory_limit(values.memory_limit, memory);
  reset_high_water(memory);
  const ResidentGrowth resident;
  std::optional<PointData> data;
  const bool is_simulated = point.simulation != nullptr;
  if (is_simulated) {
    set_simulated_time([rates = &point.simulation->rates](const Cost& cost) { return seconds_of(*rates, cost); });
  }
  const bool has_probe = !is_simulated && Probe::reaches(point.plan.problem);
  on_every_rank(ring, [&] {
    data.emplace(ring, point.plan, static_cast<std::uint64_t>(values.seed),
                 has_probe ? InputKind::probe : InputKind::random);
  });
  data->attention().set_deadline(deadline);
  if (has_probe) {
    run_probe(*data, values, row);
    if (point.inputs != InputKind::probe) {
      on_every_rank(ring, [&] { data->fill(point.inputs); });
    }
  }

  const Timings timings = [&] {
    const std::optional<Patience> patience = patience_of(values);
    return time_passes(ring, point, *data, values);
  }();
  result.samples = timings.samples;
  fill_timings(row, timings, peak);
  row.peak_bytes = ring.all_reduce(memory_account(memory).high_water, Reduction::max);
  row.peak_bytes_model =
      attention_peak_bytes(point.plan.schedule, point.plan.problem, point.plan.pass, *point.plan.backward_rotation,
                           point.ranks, row.tokens_per_rank, data->attention().workspace_bytes());
  row.peak_resident_bytes = ring.all_reduce(resident.peak_bytes(), Reduction::max);
  const SequenceTraffic& sent = timings.traffic;
  row.hops = mean_of_ranks(ring.all_reduce(sent.operands.hops, Reduction::sum), point.ranks);
  row.messages = ring.all_reduce(sent.messages(), Reduction::sum);
  row.wire_bytes = ring.all_reduce(sent.bytes(), Reduction::sum);
  row.wire_bytes_between_nodes = ring.all_reduce(sent.bytes_between_nodes(), Reduction::sum);
  if (timings.has_timed_out && row.probe_wrong_rows == 0) {
    const std::string wanted =
        values.repeats.is_automatic ? std::string("automatic") : fmt::format("{}", values.repeats.count);
    conclude(row, Outcome::timeout,
             fmt::format("timeout after {} s, {} of {} repeats done", values.time_limit, row.repeats_done, wanted));
    return;
  }
  if (is_simulated) {
    // There is no result to check.
  } else if (point.inputs == InputKind::random) {
    const SampledError error = check_samples(*data, static_cast<std::uint64_t>(values.seed));
    row.error = error.largest;
    row.error_rms = error.rms;
    row.lse_error = error.lse;
  } else if (row.probe_wrong_rows == 0) {
    look_at_probe(*data, row);
  }
  judge(result);
  if (values.overlap_probe && row.valid && point.ranks > 1) {
    const TraceRegion region("overlap probe");
    result.overlap = probe_overlap(*data, values.probe_repeats);
    if (!ring.all_agree(!data->attention().has_missed_deadline())) {
      result.overlap.reset();  // the timed passes stand; the probe was cut short
    }
  }
}

/// What the plans of all ranks together say.
struct PlanFigures {
  double layout_efficiency_bound = 0;
  SequenceTraffic traffic;
};

/// Kept for the next caller: of a thousand ranks that are simulated in one process each asks, and an answer takes a
/// million steps.
const PlanFigures& figures_of(const SweepPoint& point, const Partition& partition) {
  static std::map<std::string, PlanFigures> known;
  const SequenceAttentionOptions& plan = point.plan;
  const AttentionProblem& problem = plan.problem;
  const std::string key =
      fmt::format("{} {} {} {} {} {} {} {} {} {} {} {} {} {} {}", describe(plan.schedule), point.ranks,
                  name_of(plan.layout), plan.is_causal, name_of(plan.pass), name_of(*plan.backward_rotation),
                  problem.context_length, problem.batch, problem.heads, problem.kv_heads, problem.head_size,
                  name_of(problem.dtype), name_of(problem.wire_dtype), simulated_platform().devices_per_node,
                  fmt::join(are_ranks_simulated() ? std::span<const int>() : std::span(point.nodes), ","));
  const auto [found, is_new] = known.try_emplace(key);
  if (is_new) {
    found->second = {
        .layout_efficiency_bound = layout_efficiency_bound(plan.schedule, partition, plan.is_causal),
        .traffic = planned_traffic(plan.schedule, problem, partition, plan.pass, *plan.backward_rotation, point.nodes)};
  }
  return found->second;
}

/// FLOP of a pass over all ranks.
double flop_of(const AttentionProblem& problem, AttentionPass pass, bool is_causal) {
  const SequenceExtents extents{.context_length = problem.context_length,
                                .batch = problem.batch,
                                .heads = problem.heads,
                                .kv_heads = problem.kv_heads,
                                .head_size = problem.head_size};
  const double forward = pass == AttentionPass::backward ? 0 : cost_of_forward(extents, is_causal).flop;
  const double backward = pass == AttentionPass::forward ? 0 : cost_of_backward(extents, is_causal).flop;
  return forward + backward;
}

}  // namespace

AttentionRow describe_point(const SweepPoint& point, const SweepOptions& values) {
  const SequenceAttentionOptions& plan = point.plan;
  const AttentionProblem& problem = plan.problem;
  const Partition partition(plan.layout, problem.context_length, point.ranks, plan.schedule.ulysses);
  const bool has_backward = plan.pass != AttentionPass::forward;
  AttentionRow row;
  row.context_length = problem.context_length;
  row.tokens_per_rank = partition.tokens_per_rank();
  row.ranks = point.ranks;
  row.set_schedule(plan.schedule);
  row.layout = name_of(plan.layout);
  row.backend = name_of(plan.backend);
  row.transport = transport_name(device_of(plan.backend), point.transport);
  row.dtype = name_of(problem.dtype);
  row.wire_dtype = name_of(problem.wire_dtype);
  row.heads = problem.heads;
  row.kv_heads = problem.kv_heads;
  row.head_size = problem.head_size;
  row.batch = problem.batch;
  row.causal = plan.is_causal;
  row.pass = name_of(plan.pass);
  row.backward_rotation = has_backward ? name_of(*plan.backward_rotation) : "none";
  row.threads = plan.threads;
  row.polling = plan.is_polling;
  row.flop_causal = flop_of(problem, plan.pass, true);
  row.flop_full = flop_of(problem, plan.pass, false);
  const PlanFigures& figures = figures_of(point, partition);
  row.layout_efficiency_bound = figures.layout_efficiency_bound;
  const SequenceTraffic& planned = figures.traffic;
  row.hops_model = mean_of_ranks(planned.operands.hops, point.ranks);
  row.messages_model = planned.messages();
  row.wire_bytes_model = planned.bytes();
  row.wire_bytes_between_nodes_model = planned.bytes_between_nodes();
  if (point.simulation != nullptr) {
    row.simulated = true;
    row.rates = std::string_view(point.simulation->name);
    row.rates_digest = std::string_view(point.simulation->digest);
    row.platform = std::string_view(simulated_platform().name);
    row.platform_digest = std::string_view(simulated_platform().digest);
  }
  row.inputs = name_of(point.inputs);
  row.error_tolerance = sampled_tolerance(problem).largest;
  row.lse_error_tolerance = sampled_tolerance(problem).lse;
  row.repeats = values.repeats.count;
  row.seed = values.seed;
  row.memory_limit = values.memory_limit;
  row.time_limit = values.time_limit;
  return row;
}

PointResult run_point(const Communicator& ring, const SweepPoint& point, const SweepOptions& values,
                      const MeasuredPeak& peak) {
  PointResult result;
  result.row = describe_point(point, values);
  try {
    measure(ring, point, values, peak, result);
  } catch (const Error& error) {
    // Only what all ranks met together may become a row; anything else would leave ranks waiting for each other.
    if (!error.is_collective()) {
      throw;
    }
    conclude(result.row, outcome_of(error.kind()), error.what());
  }
  set_memory_limit(0, device_of(point.plan.backend));
  return result;
}

}  // namespace ringworld
