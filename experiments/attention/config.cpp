#include "experiments/attention/config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/error.hpp"
#include "core/spelling.hpp"
#include "experiments/common/names.hpp"

namespace ringworld {
namespace {

constexpr std::array<std::string_view, 3> pass_names{"forward", "backward", "forward_backward"};

AttentionPass parse_pass(std::string_view name) {
  for (std::size_t index = 0; index < pass_names.size(); ++index) {
    if (name == pass_names[index]) {
      return static_cast<AttentionPass>(index);
    }
  }
  throw_unknown_name("pass", name, pass_names);
}

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
  require_input(values.timeout >= 0, fmt::format("--timeout: {} must not be negative", values.timeout));
  require_input(!values.output.empty(), "--output is empty");
}

/// Heads, head size and backend, tried on a kernel that is thrown away.
void check_kernel(const SweepPoint& point) {
  const AttentionProblem& problem = point.plan.problem;
  require_input(problem.heads % problem.kv_heads == 0,
                fmt::format("--heads {} is not divisible by --kv-heads {}", problem.heads, problem.kv_heads));
  const auto kernel =
      make_block_attention(point.plan.backend, {.head_size = problem.head_size, .threads = point.plan.threads});
}

bool is_same(const SweepPoint& a, const SweepPoint& b) {
  const AttentionProblem& p = a.plan.problem;
  const AttentionProblem& q = b.plan.problem;
  return a.ranks == b.ranks && a.transport == b.transport && a.plan.layout == b.plan.layout &&
         a.plan.is_causal == b.plan.is_causal && a.plan.backend == b.plan.backend && a.plan.pass == b.plan.pass &&
         a.plan.backward_rotation == b.plan.backward_rotation && a.plan.is_polling == b.plan.is_polling &&
         a.plan.threads == b.plan.threads && p.context_length == q.context_length && p.batch == q.batch &&
         p.heads == q.heads && p.kv_heads == q.kv_heads && p.head_size == q.head_size && p.dtype == q.dtype &&
         p.wire_dtype == q.wire_dtype;
}

/// Calls `function(value)` for each value of a list: the loops of the product, written flat.
template <class List, class Function>
void each(const List& list, Function&& function) {
  for (const auto& value : list) {
    function(value);
  }
}

}  // namespace

std::string_view name_of(AttentionPass pass) { return pass_names[static_cast<std::size_t>(pass)]; }

DeviceKind device_of(const SweepOptions& values) {
  const auto needs_gpu = [](const std::string& backend) {
    return device_of(parse_backend(backend)) == DeviceKind::cuda;
  };
  return std::ranges::any_of(values.backend, needs_gpu) ? DeviceKind::cuda : DeviceKind::host;
}

void declare(Options& options, SweepOptions& values) {
  options.add("context-length", values.context_length, "token", "tokens of one sequence, over all ranks; a list");
  options.add("ranks", values.ranks, "rank", "ring sizes, each up to the size of the job; 0 = all; a list");
  options.add("layout", values.layout, "", "contiguous, striped, zigzag; a list");
  options.add("heads", values.heads, "", "query heads; a list");
  options.add("kv-heads", values.kv_heads, "", "key/value heads, a divisor of heads; 0 = as heads; a list");
  options.add("head-size", values.head_size, "", "elements of a head: 16 32 64 80 96 100 128 256; a list");
  options.add("batch", values.batch, "", "sequences a step; a list");
  options.add("dtype", values.dtype, "", "float32, bfloat16: q, k, v and dout in memory; a list");
  options.add("wire-dtype", values.wire_dtype, "", "float32, bfloat16, same (as dtype): on the wire; a list");
  options.add("causal", values.causal, "", "whether a query sees earlier tokens and itself only; a list");
  options.add("pass", values.pass, "", "forward, backward, forward_backward; a list");
  options.add("backend", values.backend, "", "reference, kokkos, host, cuda; a list");
  options.add("transport", values.transport, "",
              "how device memory travels (backend cuda): auto, nccl, cuda_aware_mpi, staged; a list");
  options.add("threads", values.threads, "", "threads of a rank (backend host); a list");
  options.add("backward-rotation", values.backward_rotation, "", "auto (fewer bytes), kv, q; a list");
  options.add("polling", values.polling, "", "drive communication from inside the kernels, between tiles; a list");
  options.add("overlap-probe", values.overlap_probe, "", "also time each hop alone, its compute alone, and both");
  options.add("probe-repeats", values.probe_repeats, "",
              "times that the probe runs the pass in each of its three ways");
  options.add("gemm-extent", values.gemm_extent, "",
              "extent of the square matrix product that measures a GPU's peak (backend cuda)");
  options.add("warmup", values.warmup, "", "untimed passes before the timed ones");
  options.add("repeats", values.repeats, "", "timed passes a point");
  options.add("timeout", values.timeout, "s", "time for one point; 0 = no limit");
  options.add("memory-limit", values.memory_limit, "B", "memory a rank may hold in buffers; 0 = what the node has");
  options.add("seed", values.seed, "", "seed of the random inputs");
  options.add("resume", values.resume, "", "continue the record at --output: skip the points that it holds");
  options.add("output", values.output, "", "HDF5 record; an existing file is renamed unless --resume is given");
  options.allow_config_file();
}

std::vector<SweepPoint> make_points(const SweepOptions& values, std::int64_t job_ranks) {
  check_scalars(values);
  std::vector<SweepPoint> points;
  SweepPoint point;
  AttentionProblem& problem = point.plan.problem;
  const auto add_point = [&](std::int64_t ranks) {
    require_input(ranks >= 0, fmt::format("--ranks: {} must be at least 1, or 0 for all", ranks));
    point.ranks = ranks == 0 ? job_ranks : ranks;
    require_input(
        point.ranks <= job_ranks,
        fmt::format("--ranks {}: the job has {} ranks; start it with mpirun -n {} or more", ranks, job_ranks, ranks));
    check_kernel(point);
    if (std::ranges::none_of(points, [&](const SweepPoint& other) { return is_same(point, other); })) {
      points.push_back(point);
    }
  };
  // clang-format off
  each(values.batch, [&](std::int64_t batch) { problem.batch = batch;
  each(values.heads, [&](std::int64_t heads) { problem.heads = heads;
  each(values.kv_heads, [&](std::int64_t kv_heads) { problem.kv_heads = kv_heads == 0 ? heads : kv_heads;
  each(values.head_size, [&](std::int64_t head_size) { problem.head_size = head_size;
  each(values.backend, [&](const std::string& backend) { point.plan.backend = parse_backend(backend);
  each(values.transport, [&](const std::string& transport) {
    const Transport wanted = parse_transport(transport);
    point.transport = point.plan.backend == Backend::cuda ? wanted : Transport::automatic;
  each(values.dtype, [&](const std::string& dtype) { problem.dtype = parse_dtype(dtype);
  each(values.wire_dtype, [&](const std::string& wire) {
    problem.wire_dtype = wire == "same" ? problem.dtype : parse_dtype(wire);
  each(values.threads, [&](std::int64_t threads) { point.plan.threads = static_cast<int>(threads);
  each(values.causal, [&](bool is_causal) { point.plan.is_causal = is_causal;
  each(values.polling, [&](bool is_polling) { point.plan.is_polling = is_polling;
  each(values.pass, [&](const std::string& pass) { point.plan.pass = parse_pass(pass);
  each(values.backward_rotation, [&](const std::string& name) {
    const auto rotation = parse_rotation(name).value_or(cheaper_rotation(problem));
    point.plan.backward_rotation = point.plan.pass == AttentionPass::forward ? BackwardRotation::kv : rotation;
  each(values.context_length, [&](std::int64_t context_length) { problem.context_length = context_length;
  each(values.layout, [&](const std::string& layout) { point.plan.layout = parse_layout(layout);
  each(values.ranks, add_point);
  }); }); }); }); }); }); }); }); }); }); }); }); }); }); });
  // clang-format on
  return points;
}

}  // namespace ringworld
