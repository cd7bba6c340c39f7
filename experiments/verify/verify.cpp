/// @file  `ringworld verify`: ring attention on tensors that another program wrote.

#include <fmt/format.h>

#include <vector>

#include "comm/device_choice.hpp"
#include "core/error.hpp"
#include "experiments/common/device_tensors.hpp"
#include "experiments/common/job.hpp"
#include "experiments/common/names.hpp"
#include "experiments/verify/sequence_file.hpp"
#include "ring/ring_attention.hpp"

namespace ringworld {
namespace {

struct VerifyOptions {
  std::string input;
  std::string output;
  std::string layout = "zigzag";
  std::string backend = "host";
  std::string transport = "auto";
  std::string dtype = "float32";
  std::string wire_dtype = "same";
  std::string backward_rotation = "auto";
  bool is_causal = true;
};

constexpr const char* description =
    "Runs ring attention on tensors of yours, in global token order.\n"
    "Reads /q (B,S,H,D), /k, /v (B,S,Hkv,D), float32 or float64; /dout (B,S,H,D) for gradients and /segment_ids (B,S)\n"
    "int32 for documents are optional. A query sees keys of its own document only; a negative id is padding, which "
    "sees\n"
    "nothing and is seen by nothing. Scores are scaled by 1/sqrt(D).\n"
    "Writes /out (B,S,H,D), /lse (B,H,S) and, with /dout, /dq, /dk, /dv, all float32.";

void declare(Options& options, VerifyOptions& values) {
  options.add("input", values.input, "", "HDF5 file to read");
  options.add("output", values.output, "", "HDF5 file to write; replaced if it exists");
  options.add("layout", values.layout, "", "contiguous, striped or zigzag");
  options.add("backend", values.backend, "", "reference, kokkos, host or cuda");
  options.add("transport", values.transport, "",
              "how device memory travels (backend cuda): auto, nccl, cuda_aware_mpi or staged");
  options.add("dtype", values.dtype, "", "float32 or bfloat16: type of q, k, v and dout in memory");
  options.add("wire-dtype", values.wire_dtype, "", "float32, bfloat16 or same (as dtype): type on the wire");
  options.add("causal", values.is_causal, "", "whether a query sees earlier tokens and itself only");
  options.add("backward-rotation", values.backward_rotation, "", "auto (fewer bytes), kv or q");
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
          .has_segments = reader.has("segment_ids")};
}

/// One rank's tensors.
struct Shard {
  Buffer q, k, v, dout, segments, out, lse, delta, dq, dk, dv;
};

}  // namespace

int run_verify(const Job& job) {
  VerifyOptions values;
  Options options("verify", description);
  declare(options, values);
  if (!parse_options(job, options)) {
    return 0;
  }
  RingAttentionOptions plan;
  std::optional<TensorReader> reader;
  Transport wanted = Transport::automatic;
  on_every_rank(job.world, [&] {
    require_input(!values.input.empty(), "--input is missing: the HDF5 file to read");
    require_input(!values.output.empty(), "--output is missing: the HDF5 file to write");
    plan.layout = parse_layout(values.layout);
    plan.backend = parse_backend(values.backend);
    wanted = parse_transport(values.transport);
    plan.is_causal = values.is_causal;
    plan.backward_rotation = parse_rotation(values.backward_rotation);
    const DType dtype = parse_dtype(values.dtype);
    const DType wire_dtype = values.wire_dtype == "same" ? dtype : parse_dtype(values.wire_dtype);
    reader = TensorReader::open(values.input);
    plan.problem = problem_of(*reader, dtype, wire_dtype);
    plan.pass = reader->has("dout") ? AttentionPass::forward_backward : AttentionPass::forward;
  });
  const bool has_backward = plan.pass == AttentionPass::forward_backward;
  const AttentionProblem& problem = plan.problem;
  const DeviceKind memory = device_of(plan.backend);
  take_device(job.world, memory);
  const Ring ring(memory == DeviceKind::host ? job.world : job.world.with_transport(wanted));
  if (memory != DeviceKind::host) {
    static_cast<void>(ring.communicator().transport());  // one that cannot be had ends the job here
  }

  std::optional<SequenceWriter> writer;
  on_root(job.world, [&] {
    require_input(!std::filesystem::exists(values.output) || !std::filesystem::equivalent(values.input, values.output),
                  fmt::format("{}: input and output are the same file", values.output));
    writer.emplace(values.output, problem, has_backward);
  });

  std::optional<RingAttention> attention;
  on_every_rank(job.world, [&] { attention.emplace(ring, plan); });
  const Partition& partition = attention->partition();
  const std::int64_t tokens = partition.tokens(ring.rank());
  const std::array q_shape{problem.batch, tokens, problem.heads, problem.head_size};
  const std::array kv_shape{problem.batch, tokens, problem.kv_heads, problem.head_size};
  const std::array row_shape{problem.batch, problem.heads, tokens};

  Shard shard;
  RingForward forward;
  RingBackward backward;
  on_every_rank(job.world, [&] {
    const SequenceReader shard_reader(*reader, partition, ring.rank());
    const auto read = [&](const char* dataset, const std::array<std::int64_t, 4>& shape, Buffer& buffer) {
      return move_to_device(shard_reader.read(dataset, shape, problem.dtype, buffer), buffer, memory);
    };
    forward.q = read("q", q_shape, shard.q);
    forward.k = read("k", kv_shape, shard.k);
    forward.v = read("v", kv_shape, shard.v);
    if (problem.has_segments) {
      forward.segments = move_to_device(shard_reader.read_segments("segment_ids", problem.batch, shard.segments),
                                        shard.segments, memory);
    }
    forward.out = make_tensor<float, 4>(q_shape, shard.out, memory);
    forward.lse = make_tensor<float, 3>(row_shape, shard.lse, memory);
    if (has_backward) {
      backward = {.q = forward.q,
                  .k = forward.k,
                  .v = forward.v,
                  .segments = forward.segments,
                  .out = forward.out,
                  .lse = forward.lse,
                  .dout = read("dout", q_shape, shard.dout),
                  .delta = make_tensor<float, 3>(row_shape, shard.delta, memory),
                  .dq = make_tensor<float, 4>(q_shape, shard.dq, memory),
                  .dk = make_tensor<float, 4>(kv_shape, shard.dk, memory),
                  .dv = make_tensor<float, 4>(kv_shape, shard.dv, memory)};
    }
  });

  attention->forward(forward);
  if (has_backward) {
    attention->backward(backward);
  }

  const SequenceGather gather(job.world, partition);
  const auto write = [&](const char* dataset, std::size_t token_axis, const auto& shard_view) {
    Buffer copy;
    gather.write(dataset, token_axis, copy_to_host(shard_view, copy, memory), writer);
  };
  write("out", 1, forward.out.as<float>());
  write("lse", 2, forward.lse);
  if (has_backward) {
    write("dq", 1, backward.dq);
    write("dk", 1, backward.dk);
    write("dv", 1, backward.dv);
  }
  on_root(job.world, [&] { writer->finish(); });
  if (job.world.is_root()) {
    fmt::print("verify: {} tokens x {} sequences, {} query and {} kv heads of {}, {} on {} ranks -> {}\n",
               problem.context_length, problem.batch, problem.heads, problem.kv_heads, problem.head_size, values.layout,
               job.world.size(), values.output);
  }
  return 0;
}

}  // namespace ringworld
