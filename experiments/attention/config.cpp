#include "experiments/attention/config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/error.hpp"
#include "experiments/attention/point.hpp"
#include "experiments/common/configuration_files.hpp"
#include "experiments/common/csv_flag.hpp"
#include "experiments/common/names.hpp"
#include "experiments/common/run_flags.hpp"
#include "experiments/common/used_values.hpp"
#include "io/row_keys.hpp"
#include "sequence/plan_cost.hpp"
#include "sequence/schedule_check.hpp"

namespace ringworld {
namespace {

void require_positive(std::string_view flag, const std::vector<std::int64_t>& values, std::int64_t smallest) {
  for (const std::int64_t value : values) {
    require_input(value >= smallest, fmt::format("{}: {} must be at least {}", flag, value, smallest));
  }
}

void check_scalars(const SweepOptions& values) {
  require_positive("--context-length", values.context_length, 1);
  require_positive("--heads", values.heads, 1);
  require_positive("--kv-heads", values.kv_heads, 0);
  require_positive("--batch", values.batch, 1);
  require_positive("--threads", values.threads, 1);
  require_positive("--repeats", {values.repeats.is_automatic ? 1 : values.repeats.count}, 1);
  require_input(values.repeat_seconds >= 0,
                fmt::format("--repeat-seconds: {} must not be negative", values.repeat_seconds));
  require_input(values.least_seconds >= 0,
                fmt::format("--least-seconds: {} must not be negative", values.least_seconds));
  require_positive("--probe-repeats", {values.probe_repeats}, 1);
  require_positive("--gemm-extent", {values.gemm_extent}, 1);
  require_positive("--warmup", {values.warmup}, 0);
  require_positive("--memory-limit", {values.memory_limit}, 0);
  require_input(values.time_limit >= 0, fmt::format("--time-limit: {} must not be negative", values.time_limit));
  require_input(!values.output.empty(), "--output is empty");
  require_input(values.overlap >= 0 && values.overlap <= 1, "--overlap must be between 0 and 1");
  require_input(values.rates_output.empty() || (values.predict && values.rates.empty()),
                "--rates-output writes the rates that --predict measures: give --predict, and no --rates");
  require_input(values.link.empty() || (values.link.size() == 2 && values.link[0] > 0 && values.link[1] >= 0),
                "--link takes a positive bandwidth and a latency: --link 25e9,2e-6");
  require_input(!values.predict || !values.dry_run || !values.rates.empty(),
                "--predict --dry-run measures nothing: give --rates");
  require_positive("--ranks-per-node", {values.ranks_per_node}, 0);
}

/// Sizes beyond any machine would wrap when they are multiplied.
void check_size(const AttentionProblem& problem) {
  constexpr std::int64_t most_heads = 1 << 20;
  constexpr double most_elements = 1LL << 50;
  require_input(problem.heads <= most_heads, fmt::format("--heads: {} is more than {}", problem.heads, most_heads));
  const double elements = static_cast<double>(problem.batch) * static_cast<double>(problem.context_length) *
                          static_cast<double>(problem.heads) * static_cast<double>(problem.head_size);
  require_input(
      elements <= most_elements,
      fmt::format("--context-length {} with --batch {}, --heads {} and --head-size {}: queries have {:.3g} "
                  "elements, and no more than {:.3g} are counted",
                  problem.context_length, problem.batch, problem.heads, problem.head_size, elements, most_elements));
}

/// Heads, head size and backend, tried on a kernel that is thrown away.
void check_kernel(const SweepPoint& point) {
  const AttentionProblem& problem = point.plan.problem;
  check_size(problem);
  require_input(problem.heads % problem.kv_heads == 0,
                fmt::format("--heads {} is not divisible by --kv-heads {}", problem.heads, problem.kv_heads));
  require_input(
      point.inputs == InputKind::random || Probe::reaches(problem),
      fmt::format("--inputs probe: heads of {} have no probe of {} tokens; choose a larger --head-size, or random",
                  problem.head_size, problem.context_length));
  const auto kernel =
      make_block_attention(point.plan.backend, {.head_size = problem.head_size, .threads = point.plan.threads});
}

/// The values of a combination by which a schedule may not be able to run it.
UsedValues::Names names_of_values(const SweepPoint& point, const Schedule& schedule) {
  const AttentionProblem& problem = point.plan.problem;
  return {fmt::format("schedule {}", name_of(schedule.kind)),
          fmt::format("ulysses {}", schedule.ulysses),
          fmt::format("window {}", schedule.window),
          fmt::format("head_groups {}", schedule.head_groups),
          fmt::format("trim {}", schedule.is_trimmed),
          fmt::format("ranks {}", point.ranks),
          fmt::format("heads {}", problem.heads),
          fmt::format("kv_heads {}", problem.kv_heads),
          fmt::format("layout {}", name_of(point.plan.layout)),
          fmt::format("causal {}", point.plan.is_causal)};
}

/// Gives the point its schedule, and what travels in its backward pass.
/// @throws Error(bad_input) when they do not fit the point
void decide_schedule(SweepPoint& point, const Schedule& wanted, RotationChoice choice) {
  SequenceAttentionOptions& plan = point.plan;
  check_schedule_flags(wanted, plan.problem, plan.layout, plan.is_causal, point.ranks);
  plan.schedule = with_window(wanted, point.nodes);
  const bool has_backward = plan.pass != AttentionPass::forward;
  require_input(!has_backward || !wanted.is_trimmed || choice != RotationChoice::q,
                "--trim drops keys: it does not go with --backward-rotation q");
  const auto rotation = rotation_of(choice).value_or(cheaper_rotation(plan.schedule, plan.problem));
  plan.backward_rotation = has_backward ? rotation : BackwardRotation::kv;
}

/// Null where every backend of the sweep computes.
std::shared_ptr<const Simulation> simulation_of(const SweepOptions& values) {
  if (std::ranges::all_of(values.backend, [](Backend backend) { return traits_of(backend).computes; })) {
    require_input(values.rates.empty() || values.predict,
                  "--rates is for --backend simulated and for --predict: other kernels take their own time");
    return nullptr;
  }
  return std::make_shared<const Simulation>(read_simulation(values.rates));
}

/// Calls `function(value)` for each value of a list: the loops of the product, written flat.
template <class List, class Function>
void each(const List& list, Function&& function) {
  for (const auto& value : list) {
    function(value);
  }
}

}  // namespace

std::set<DeviceKind> devices_of(const SweepOptions& values) {
  std::set<DeviceKind> kinds;
  for (const Backend backend : values.backend) {
    if (has_own_memory(device_of(backend))) {
      kinds.insert(device_of(backend));
    }
  }
  return kinds;
}

void declare(Options& options, SweepOptions& values) {
  options.begin_group("Sweep: each combination of these lists is a point");
  options.add("context-length", values.context_length, "token", "tokens of one sequence, over all ranks");
  options.add("ranks", values.ranks, "rank", "ring sizes, each up to the size of the job; 0 = all");
  declare(options, RunFlag::schedule, values.schedule);
  declare(options, RunFlag::ulysses, values.ulysses);
  declare(options, RunFlag::window, values.window);
  declare(options, RunFlag::head_groups, values.head_groups);
  declare(options, RunFlag::trim, values.trim);
  declare(options, RunFlag::layout, values.layout);
  options.add("heads", values.heads, "", "query heads");
  options.add("kv-heads", values.kv_heads, "", "key/value heads, a divisor of heads; 0 = as heads");
  options.add("head-size", values.head_size, "", "elements of a head: multiples of 8 up to 256, and 100");
  options.add("batch", values.batch, "", "sequences a step");
  declare(options, RunFlag::dtype, values.dtype);
  declare(options, RunFlag::wire_dtype, values.wire_dtype);
  options.add("causal", values.causal, "", "whether a query sees earlier tokens and itself only");
  options.add("pass", values.pass, "", "what is timed");
  declare(options, RunFlag::backend, values.backend);
  declare(options, RunFlag::transport, values.transport);
  declare(options, RunFlag::threads, values.threads);
  options.add("backward-rotation", values.backward_rotation, "",
              "which operands travel in the backward pass; auto: those with fewer bytes");
  options.add("inputs", values.inputs, "",
              "inputs of the timed passes; the answer of probe is known, and every row is checked");
  options.add("polling", values.polling, "", "drive communication from inside the kernels, between tiles");
  options.begin_group("Measurement of a point");
  options.add("overlap-probe", values.overlap_probe, "", "also time each hop alone, its compute alone, and both");
  options.add("probe-repeats", values.probe_repeats, "",
              "times that the probe runs the pass in each of its three ways");
  options.add("gemm-extent", values.gemm_extent, "",
              "largest extent of the square matrix products that measure the peak of a device with memory of its own");
  options.add("warmup", values.warmup, "", "untimed passes before the timed ones");
  options.add("repeats", values.repeats, "",
              "timed passes a point; auto: until the 95 % interval of their median is within 2 % of it, 5 at least, or "
              "--repeat-seconds have passed");
  options.add("least-seconds", values.least_seconds, "s",
              "timed passes of a point go on until they took so long together, whatever their number");
  options.add("repeat-seconds", values.repeat_seconds, "s", "time for the automatic repeats of a point");
  options.add(
      "time-limit", values.time_limit, "s",
      "time for one point, which is then cut short; where a device stands still 15 s longer, the job ends with a row; "
      "0 = no limit");
  options.add("memory-limit", values.memory_limit, "B", "memory a rank may hold in buffers; 0 = what the node has");
  options.add("seed", values.seed, "", "seed of the inputs, and of the places where samples are taken");
  options.begin_group("Plans and predictions");
  options.add("dry-run", values.dry_run, "",
              "draw the plan of each point, for any number of ranks, as if those beyond the job's were on its last "
              "node; run and record nothing");
  options.add("predict", values.predict, "",
              "also predict each point from rates of the block kernel and of links, measured in this job unless given; "
              "with --dry-run, from --rates alone, for any number of ranks");
  options.add("rates", values.rates, "",
              "what predictions and the kernels of backend simulated take their times from: a TOML file of measured "
              "rates, or the FLOP/s of every kernel");
  options.add("rates-output", values.rates_output, "",
              "write the rates that were measured to this file, which --rates reads");
  options.add(
      "link", values.link, "B/s,s",
      "bandwidth of a hop in B/s and its latency in s, on every level, in place of those measured or in --rates");
  options.add(
      "port", values.port, "",
      "what shares the bandwidth between nodes: each cable to a neighbour, each rank or each node has it to itself");
  options.add("overlap", values.overlap, "",
              "share of the shorter of compute and communication that the longer one hides, for predictions; a point "
              "with an overlap probe takes its own");
  options.add("ranks-per-node", values.ranks_per_node, "rank",
              "ranks of each node of a dry run; 0 = those of the job, or RINGWORLD_RANKS_PER_NODE");
  declare(options, RunFlag::resume, values.resume);
  declare(options, RunFlag::retry_failed, values.retry_failed);
  declare(options, RunFlag::output, values.output);
  declare_csv(options, values.csv);
  options.allow_config_file();
  options.add_example("mpirun -n 2 ringworld attention --context-length 4K,16K --repeats 5 --output ring.h5",
                      "a ring of two ranks at two lengths; ringworld_analysis report ring.h5 makes a page of it");
  options.add_example("mpirun -n 4 ringworld attention --config sweep.toml --resume",
                      "a sweep that is written down, gone on with after a stop");
  options.add_example("ringworld attention --ranks 1024 --context-length 1M --dry-run --predict --rates rates.toml",
                      "what 1,024 ranks would take, from rates that --rates-output measured");
}

SweepPoints make_points(const SweepOptions& values, const std::vector<int>& nodes) {
  check_scalars(values);
  const std::int64_t job_ranks = std::ssize(nodes);
  SweepPoints sweep;
  std::set<std::string> keys;  // of their rows
  const std::shared_ptr<const Simulation> simulation = simulation_of(values);
  SweepPoint point;
  Schedule schedule;
  RotationChoice rotation = RotationChoice::automatic;
  AttentionProblem& problem = point.plan.problem;
  UsedValues used;
  const auto add_point = [&](std::int64_t ranks) {
    require_input(ranks >= 0, fmt::format("--ranks: {} must be at least 1, or 0 for all", ranks));
    point.ranks = ranks == 0 ? job_ranks : ranks;
    require_input(
        point.ranks <= job_ranks,
        fmt::format(
            "--ranks (ranks in a configuration) {0}: the job has {1}; start it with mpirun -n {0} or more, or say "
            "--ranks with numbers up to {1}",
            ranks, job_ranks));
    check_kernel(point);
    point.nodes.assign(nodes.begin(), nodes.begin() + point.ranks);
    const UsedValues::Names names = names_of_values(point, schedule);
    try {
      decide_schedule(point, schedule, rotation);
    } catch (const Error& error) {
      used.leave_out(names, error.what());
      return;
    }
    used.use(names);
    if (keys.insert(key_of(describe_point(point, values))).second) {
      sweep.points.push_back(point);
    }
  };
  // clang-format off
  each(values.batch, [&](std::int64_t batch) { problem.batch = batch;
  each(values.heads, [&](std::int64_t heads) { problem.heads = heads;
  each(values.kv_heads, [&](std::int64_t kv_heads) { problem.kv_heads = kv_heads == 0 ? heads : kv_heads;
  each(values.head_size, [&](std::int64_t head_size) { problem.head_size = head_size;
  each(values.backend, [&](Backend backend) { point.plan.backend = backend;
    point.simulation = traits_of(backend).computes ? nullptr : simulation;
  each(values.transport, [&](Transport wanted) {
    point.transport = is_gpu(device_of(point.plan.backend)) ? wanted : Transport::automatic;
  each(values.dtype, [&](DType dtype) { problem.dtype = dtype;
  each(values.wire_dtype, [&](WireDType wire) { problem.wire_dtype = dtype_on_wire(wire, problem.dtype);
  each(values.threads, [&](std::int64_t threads) { point.plan.threads = static_cast<int>(threads);
  each(values.causal, [&](bool is_causal) { point.plan.is_causal = is_causal;
  each(values.inputs, [&](InputKind inputs) { point.inputs = inputs;
  each(values.polling, [&](bool is_polling) { point.plan.is_polling = is_polling;
  each(values.pass, [&](AttentionPass pass) { point.plan.pass = pass;
  each(values.backward_rotation, [&](RotationChoice choice) { rotation = choice;
  each(values.context_length, [&](std::int64_t context_length) { problem.context_length = context_length;
  each(values.layout, [&](Layout layout) { point.plan.layout = layout;
  each(values.schedule, [&](ScheduleKind kind) { schedule.kind = kind;
  each(values.ulysses, [&](int ulysses) { schedule.ulysses = ulysses;
  each(values.window, [&](int window) { schedule.window = window;
  each(values.head_groups, [&](int head_groups) { schedule.head_groups = head_groups;
  each(values.trim, [&](bool is_trimmed) { schedule.is_trimmed = is_trimmed;
  each(values.ranks, add_point);
  }); }); }); }); }); }); }); }); }); }); }); }); }); }); }); }); }); }); }); }); });
  // clang-format on
  used.require_all();
  sweep.left_out = used.left_out();
  sweep.first_of_left_out = used.first_of_left_out();
  return sweep;
}

void check_attention(const std::string& configuration, const Schedule& schedule, std::int64_t ranks) {
  SweepOptions values;
  Options options("attention", "");
  declare(options, values);
  static_cast<void>(options.parse({"--config", configuration}));
  values.ranks = {ranks};
  values.schedule = {schedule.kind};
  values.ulysses = {schedule.ulysses};
  values.window = {schedule.window};
  values.head_groups = {schedule.head_groups};
  values.trim = {schedule.is_trimmed};
  // As if all ranks shared a node: the window of a node then fits whenever any does.
  static_cast<void>(make_points(values, std::vector<int>(static_cast<std::size_t>(ranks))));
}

}  // namespace ringworld
