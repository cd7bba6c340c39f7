/// @file  `ringworld verify`: attention over ranks on tensors that another program wrote.

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "comm/device_choice.hpp"
#include "comm/stop_agreement.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "experiments/common/cpu_sharing.hpp"
#include "experiments/common/device_tensors.hpp"
#include "experiments/common/figures_of_merit.hpp"
#include "experiments/common/job.hpp"
#include "experiments/common/job_files.hpp"
#include "experiments/common/run_flags.hpp"
#include "experiments/verify/sequence_file.hpp"
#include "sequence/sequence_attention.hpp"

namespace ringworld {
namespace {

struct VerifyOptions : RunFlags {
  std::string input;
  RotationChoice backward_rotation = RotationChoice::automatic;
  bool is_causal = true;
  bool allow_non_finite = false;
};

constexpr const char* description =
    "Runs attention over ranks on tensors of yours, in global token order.\n"
    "Reads /q (B,S,H,D), /k, /v (B,S,Hkv,D), float16, bfloat16, float32 or float64; /dout (B,S,H,D) for gradients and\n"
    "/segment_ids (B,S), integers, for documents are optional. A query sees keys of its own document only; a negative "
    "id\n"
    "is padding, which sees nothing and is seen by nothing, whatever it holds. Scores are scaled by 1/sqrt(D).\n"
    "Other tokens must be finite (else exit code 2), and so must be the results (else exit code 1, with the file).\n"
    "Writes /out (B,S,H,D), /lse (B,H,S) and, with /dout, /dq, /dk, /dv, all float32.";

void declare(Options& options, VerifyOptions& values) {
  options.add("input", values.input, "", "HDF5 file to read");
  options.add("output", values.output, "", "HDF5 file to write; replaced if it exists");
  declare(
      options, values,
      {RunFlag::schedule, RunFlag::layout, RunFlag::backend, RunFlag::transport, RunFlag::dtype, RunFlag::wire_dtype});
  options.add("causal", values.is_causal, "", "whether a query sees earlier tokens and itself only");
  options.add("backward-rotation", values.backward_rotation, "",
              "which operands travel in the backward pass; auto: those with fewer bytes");
  options.add("allow-non-finite", values.allow_non_finite, "", "whether NaN and infinite numbers are no error");
  options.allow_config_file();
}

/// The attention problem that the file's shapes pose.
/// @throws Error(bad_input) naming the dataset that does not fit.
AttentionProblem problem_of(const TensorReader& reader, DType dtype, DType wire_dtype) {
  const std::vector<std::int64_t> q = reader.describe("q").shape;
  require_input(q.size() == 4,
                fmt::format("{}: /q has {} dimensions, expected 4: (B, S, H, D)", reader.path().string(), q.size()));
  for (const std::int64_t extent : q) {
    require_input(extent > 0, fmt::format("{}: /q has an empty dimension", reader.path().string()));
  }
  const std::vector<std::int64_t> k = reader.describe("k").shape;
  require_input(k.size() == 4,
                fmt::format("{}: /k has {} dimensions, expected 4: (B, S, Hkv, D)", reader.path().string(), k.size()));
  const std::int64_t kv_heads = k[2];
  reader.require_shape("k", std::array{q[0], q[1], kv_heads, q[3]});
  reader.require_shape("v", std::array{q[0], q[1], kv_heads, q[3]});
  if (reader.has("dout")) {
    reader.require_shape("dout", q);
  }
  if (reader.has("segment_ids")) {
    reader.require_shape("segment_ids", std::array{q[0], q[1]});
  }
  return {.context_length = q[1],
          .batch = q[0],
          .heads = q[2],
          .kv_heads = kv_heads,
          .head_size = q[3],
          .dtype = dtype,
          .wire_dtype = wire_dtype,
          .has_documents = reader.has("segment_ids")};
}

/// The log-sum-exp of every row, from the two numbers that the passes keep of it.
void write_log_sum_exp(const SequenceGather& gather, const SequenceForward& forward, DeviceKind memory,
                       std::optional<SequenceWriter>& writer) {
  Buffer maximum_copy;
  Buffer sum_copy;
  Buffer result;
  const TensorView<float, 3> maximum = copy_to_host(forward.maximum, maximum_copy, memory);
  const TensorView<float, 3> sum = copy_to_host(forward.sum, sum_copy, memory);
  const TensorView<float, 3> lse = make_tensor<float, 3>(maximum.shape, result);
  std::transform(maximum.data, maximum.data + maximum.size(), sum.data, lse.data,
                 [](float of_row, float of_weights) { return static_cast<float>(log_sum_exp(of_row, of_weights)); });
  gather.write("lse", 2, lse, writer);
}

/// Throws, or warns on the root where non-finite numbers are allowed. The same on every rank.
void judge(const NonFiniteNumbers& found, const std::string& file, ErrorKind kind, bool is_allowed,
           const Communicator& world) {
  if (found.is_empty()) {
    return;
  }
  const std::string message = fmt::format("'{}': {}", file, found.to_string());
  if (!is_allowed) {
    throw Error(kind, message).as_collective();
  }
  if (world.is_root()) {
    log_warning(message);
  }
}

/// One rank's tensors.
struct Shard {
  Buffer q, k, v, dout, document_ids, out, maximum, sum, delta, dq, dk, dv;
};

}  // namespace

int run_verify(const Job& job) {
  VerifyOptions values;
  Options options("verify", description);
  declare(options, values);
  if (!parse_options(job, options)) {
    return 0;
  }
  const JobFiles files(job, {{.flag = "--input", .path = values.input}}, {{.flag = "--output", .path = values.output}});
  static_cast<void>(warn_of_shared_cpus(job.world, 1));
  SequenceAttentionOptions plan;
  std::optional<TensorReader> reader;
  Transport wanted = Transport::automatic;
  on_every_rank(job.world, [&] {
    require_input(!values.input.empty(), "--input is missing: the HDF5 file to read");
    require_input(!values.output.empty(), "--output is missing: the HDF5 file to write");
    plan.schedule = values.schedule;
    plan.layout = values.layout;
    plan.backend = values.backend;
    wanted = values.transport;
    plan.is_causal = values.is_causal;
    plan.backward_rotation = rotation_of(values.backward_rotation);
    const DType dtype = values.dtype;
    const DType wire_dtype = dtype_on_wire(values.wire_dtype, dtype);
    reader = TensorReader::open(values.input);
    plan.problem = problem_of(*reader, dtype, wire_dtype);
    plan.pass = reader->has("dout") ? AttentionPass::forward_backward : AttentionPass::forward;
    check_schedule_flags(plan.schedule, plan.problem, plan.layout, plan.is_causal, job.world.size());
  });
  const bool has_backward = plan.pass == AttentionPass::forward_backward;
  const AttentionProblem& problem = plan.problem;
  const DeviceKind memory = device_of(plan.backend);
  take_device(job.world, memory);
  const Communicator ranks = memory == DeviceKind::host ? job.world : job.world.with_transport(wanted);
  if (memory != DeviceKind::host) {
    static_cast<void>(transport_of(ranks, memory));  // one that cannot be had ends the job here
  }

  std::optional<SequenceWriter> writer;
  on_root(job.world, [&] { writer.emplace(values.output, problem, has_backward); });

  std::unique_ptr<SequenceAttention> attention;
  on_every_rank(job.world, [&] { attention = make_sequence_attention(ranks, plan); });
  const Partition& partition = attention->partition();
  const std::int64_t tokens = partition.tokens(ranks.rank());
  const std::array q_shape{problem.batch, tokens, problem.heads, problem.head_size};
  const std::array kv_shape{problem.batch, tokens, problem.kv_heads, problem.head_size};
  const std::array row_shape{problem.batch, problem.heads, tokens};

  Shard shard;
  SequenceForward forward;
  SequenceBackward backward;
  NonFiniteNumbers in_input;
  on_every_rank(job.world, [&] {
    const SequenceReader shard_reader(*reader, partition, ranks.rank());
    TensorView<std::int32_t, 2> document_ids;
    if (problem.has_documents) {
      document_ids = shard_reader.read_document_ids("segment_ids", problem.batch, shard.document_ids);
    }
    const auto read = [&](const char* dataset, const std::array<std::int64_t, 4>& shape, Buffer& buffer) {
      const ActivationView host = shard_reader.read(dataset, shape, problem.dtype, buffer);
      shard_reader.count_non_finite(dataset, problem.context_length, host, document_ids, in_input);
      return move_to_device(host, buffer, memory);
    };
    forward.q = read("q", q_shape, shard.q);
    forward.k = read("k", kv_shape, shard.k);
    forward.v = read("v", kv_shape, shard.v);
    const ActivationView dout = has_backward ? read("dout", q_shape, shard.dout) : ActivationView();
    forward.document_ids = move_to_device(document_ids, shard.document_ids, memory);  // last: the host's copy ends here
    forward.out = make_tensor<float, 4>(q_shape, shard.out, memory);
    forward.maximum = make_tensor<float, 3>(row_shape, shard.maximum, memory);
    forward.sum = make_tensor<float, 3>(row_shape, shard.sum, memory);
    if (has_backward) {
      backward = {.q = forward.q,
                  .k = forward.k,
                  .v = forward.v,
                  .document_ids = forward.document_ids,
                  .out = forward.out,
                  .maximum = forward.maximum,
                  .sum = forward.sum,
                  .dout = dout,
                  .delta = make_tensor<float, 3>(row_shape, shard.delta, memory),
                  .dq = make_tensor<float, 4>(q_shape, shard.dq, memory),
                  .dk = make_tensor<float, 4>(kv_shape, shard.dk, memory),
                  .dv = make_tensor<float, 4>(kv_shape, shard.dv, memory)};
    }
  });
  in_input.add_ranks(job.world);
  judge(in_input, values.input, ErrorKind::bad_input, values.allow_non_finite, job.world);

  attention->forward(forward);
  if (has_backward && !is_stop_wanted(job.world)) {
    attention->backward(backward);
  }
  if (is_stop_wanted(job.world)) {
    return stopped_early(job, fmt::format("{} is not written", values.output));
  }

  const SequenceGather gather(job.world, partition);
  const auto write = [&](const char* dataset, std::size_t token_axis, const auto& shard_view) {
    Buffer copy;
    gather.write(dataset, token_axis, copy_to_host(shard_view, copy, memory), writer);
  };
  write("out", 1, forward.out.as<float>());
  write_log_sum_exp(gather, forward, memory, writer);
  if (has_backward) {
    write("dq", 1, backward.dq);
    write("dk", 1, backward.dk);
    write("dv", 1, backward.dv);
  }
  on_root(job.world, [&] { writer->finish(); });
  if (job.world.is_root()) {
    fmt::print("verify: {} tokens x {} sequences, {} query and {} kv heads of {}, {}, {} on {} ranks -> {}\n",
               problem.context_length, problem.batch, problem.heads, problem.kv_heads, problem.head_size,
               describe(values.schedule), name_of(values.layout), job.world.size(), values.output);
    const FigureOfMerit figure{.name = "verify_tokens",
                               .value = static_cast<double>(problem.batch * problem.context_length),
                               .unit = "token",
                               .keys = {{"schedule", describe(values.schedule)},
                                        {"layout", std::string(name_of(values.layout))},
                                        {"ranks", fmt::format("{}", job.world.size())}},
                               .is_valid = writer->non_finite().is_empty()};
    print_figures(std::span(&figure, 1));
  }
  on_root(job.world, [&] {
    judge(writer->non_finite(), values.output, ErrorKind::check_failed, values.allow_non_finite, job.world);
  });
  return 0;
}

}  // namespace ringworld
