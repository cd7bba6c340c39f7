#include "experiments/attention/config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "core/error.hpp"
#include "experiments/attention/point.hpp"
#include "experiments/common/names.hpp"
#include "experiments/common/run_flags.hpp"
#include "io/row_keys.hpp"
#include "sequence/plan_cost.hpp"

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
  require_positive("--repeats", {values.repeats}, 1);
  require_positive("--probe-repeats", {values.probe_repeats}, 1);
  require_positive("--gemm-extent", {values.gemm_extent}, 1);
  require_positive("--warmup", {values.warmup}, 0);
  require_positive("--memory-limit", {values.memory_limit}, 0);
  require_input(values.time_limit >= 0, fmt::format("--time-limit: {} must not be negative", values.time_limit));
  require_input(!values.output.empty(), "--output is empty");
}

/// Heads, head size and backend, tried on a kernel that is thrown away.
void check_kernel(const SweepPoint& point) {
  const AttentionProblem& problem = point.plan.problem;
  require_input(problem.heads % problem.kv_heads == 0,
                fmt::format("--heads {} is not divisible by --kv-heads {}", problem.heads, problem.kv_heads));
  require_input(
      point.inputs == InputKind::random || Probe::reaches(problem),
      fmt::format("--inputs probe: heads of {} have no probe of {} tokens; choose a larger --head-size, or random",
                  problem.head_size, problem.context_length));
  const auto kernel =
      make_block_attention(point.plan.backend, {.head_size = problem.head_size, .threads = point.plan.threads});
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
  options.add("context-length", values.context_length, "token", "tokens of one sequence, over all ranks");
  options.add("ranks", values.ranks, "rank", "ring sizes, each up to the size of the job; 0 = all");
  declare(options, RunFlag::schedule, values.schedule);
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
  options.add("overlap-probe", values.overlap_probe, "", "also time each hop alone, its compute alone, and both");
  options.add("probe-repeats", values.probe_repeats, "",
              "times that the probe runs the pass in each of its three ways");
  options.add("gemm-extent", values.gemm_extent, "",
              "largest extent of the square matrix products that measure the peak of a device with memory of its own");
  options.add("warmup", values.warmup, "", "untimed passes before the timed ones");
  options.add("repeats", values.repeats, "", "timed passes a point");
  options.add(
      "time-limit", values.time_limit, "s",
      "time for one point, which is then cut short; where a device stands still 15 s longer, the job ends with a row; "
      "0 = no limit");
  options.add("memory-limit", values.memory_limit, "B", "memory a rank may hold in buffers; 0 = what the node has");
  options.add("seed", values.seed, "", "seed of the inputs, and of the places where samples are taken");
  declare(options, RunFlag::resume, values.resume);
  declare(options, RunFlag::retry_failed, values.retry_failed);
  declare(options, RunFlag::output, values.output);
  options.allow_config_file();
}

std::vector<SweepPoint> make_points(const SweepOptions& values, std::int64_t job_ranks) {
  check_scalars(values);
  std::vector<SweepPoint> points;
  std::set<std::string> keys;  // of their rows
  SweepPoint point;
  AttentionProblem& problem = point.plan.problem;
  const auto add_point = [&](std::int64_t ranks) {
    require_input(ranks >= 0, fmt::format("--ranks: {} must be at least 1, or 0 for all", ranks));
    point.ranks = ranks == 0 ? job_ranks : ranks;
    require_input(
        point.ranks <= job_ranks,
        fmt::format("--ranks {}: the job has {} ranks; start it with mpirun -n {} or more", ranks, job_ranks, ranks));
    check_kernel(point);
    if (keys.insert(key_of(describe_point(point, values))).second) {
      points.push_back(point);
    }
  };
  // clang-format off
  each(values.batch, [&](std::int64_t batch) { problem.batch = batch;
  each(values.heads, [&](std::int64_t heads) { problem.heads = heads;
  each(values.kv_heads, [&](std::int64_t kv_heads) { problem.kv_heads = kv_heads == 0 ? heads : kv_heads;
  each(values.head_size, [&](std::int64_t head_size) { problem.head_size = head_size;
  each(values.backend, [&](Backend backend) { point.plan.backend = backend;
  each(values.transport, [&](Transport wanted) {
    point.transport = is_gpu(device_of(point.plan.backend)) ? wanted : Transport::automatic;
  each(values.dtype, [&](DType dtype) { problem.dtype = dtype;
  each(values.wire_dtype, [&](WireDType wire) { problem.wire_dtype = dtype_on_wire(wire, problem.dtype);
  each(values.threads, [&](std::int64_t threads) { point.plan.threads = static_cast<int>(threads);
  each(values.causal, [&](bool is_causal) { point.plan.is_causal = is_causal;
  each(values.inputs, [&](InputKind inputs) { point.inputs = inputs;
  each(values.polling, [&](bool is_polling) { point.plan.is_polling = is_polling;
  each(values.pass, [&](AttentionPass pass) { point.plan.pass = pass;
  each(values.backward_rotation, [&](RotationChoice choice) {
    const auto rotation = rotation_of(choice).value_or(cheaper_rotation(problem));
    point.plan.backward_rotation = point.plan.pass == AttentionPass::forward ? BackwardRotation::kv : rotation;
  each(values.context_length, [&](std::int64_t context_length) { problem.context_length = context_length;
  each(values.layout, [&](Layout layout) { point.plan.layout = layout;
  each(values.schedule, [&](Schedule schedule) { point.plan.schedule = schedule;
  each(values.ranks, add_point);
  }); }); }); }); }); }); }); }); }); }); }); }); }); }); }); }); });
  // clang-format on
  return points;
}

}  // namespace ringworld
