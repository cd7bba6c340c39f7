#pragma once
/// @file  The rows that `ringworld attention` records.

#include <cstdint>

#include "io/row.hpp"

namespace ringworld {

/// One point of a sweep.
struct AttentionRow {
  static constexpr std::string_view path = "/attention";
  static constexpr std::string_view meaning =
      "one point of the ring attention sweep; times are medians over repeats of the slowest rank";

  std::int64_t context_length = 0;
  std::int64_t tokens_per_rank = 0;
  std::int64_t ranks = 0;
  FixedString<16> layout;
  FixedString<16> backend;
  FixedString<16> transport;
  FixedString<16> dtype;
  FixedString<16> wire_dtype;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_size = 0;
  std::int64_t batch = 0;
  bool causal = false;
  FixedString<24> pass;
  FixedString<8> backward_rotation;
  FixedString<8> inputs;
  std::int64_t threads = 1;
  bool polling = true;
  std::int64_t repeats = 0;
  std::int64_t repeats_done = 0;
  double step_time = 0;
  double step_time_min = 0;
  double step_time_max = 0;
  double flop_causal = 0;
  double flop_full = 0;
  double flops_per_second_per_rank = 0;
  double peak_flops_per_second = 0;
  double mfu_measured_peak = 0;
  double nominal_flops_per_second = 0;
  double mfu_nominal_peak = 0;
  double tokens_per_second = 0;
  double layout_efficiency_bound = 0;
  std::int64_t hops = 0;
  std::int64_t wire_bytes = 0;
  std::int64_t wire_bytes_model = 0;
  std::int64_t peak_bytes = 0;
  std::int64_t peak_bytes_model = 0;
  std::int64_t peak_resident_bytes = 0;
  double error = 0;
  double error_rms = 0;
  double error_tolerance = 0;
  double lse_error = 0;
  double lse_error_tolerance = 0;
  std::int64_t probe_rows = 0;
  std::int64_t probe_wrong_rows = 0;
  FixedString<176> probe_first_wrong;
  bool valid = false;
  FixedString<16> outcome;
  FixedString<240> reason;
  std::int64_t seed = 0;
  std::int64_t memory_limit = 0;
  double time_limit = 0;
  std::int64_t run = 0;

  static constexpr auto fields() {
    using R = AttentionRow;
    return std::tuple{
        Field{"context_length", &R::context_length, Role::key, "token", "tokens of one sequence, over all ranks (S)"},
        Field{"tokens_per_rank", &R::tokens_per_rank, Role::model, "token", "tokens of the rank that holds most (T)"},
        Field{"ranks", &R::ranks, Role::key, "rank", "ring size (P)"},
        Field{"layout", &R::layout, Role::key, "", "which tokens a rank holds: contiguous, striped or zigzag"},
        Field{"backend", &R::backend, Role::key, "", "kernels used: reference, kokkos, host or cuda"},
        Field{"transport", &R::transport, Role::key, "",
              "how blocks travel: mpi from host memory; from a GPU's nccl, cuda_aware_mpi or staged"},
        Field{"dtype", &R::dtype, Role::key, "", "type of q, k, v and dout in memory"},
        Field{"wire_dtype", &R::wire_dtype, Role::key, "", "type of activations while they travel round the ring"},
        Field{"heads", &R::heads, Role::key, "", "query heads (H)"},
        Field{"kv_heads", &R::kv_heads, Role::key, "", "key/value heads (Hkv)"},
        Field{"head_size", &R::head_size, Role::key, "", "elements of one head (D)"},
        Field{"batch", &R::batch, Role::key, "", "sequences a step (B)"},
        Field{"causal", &R::causal, Role::key, "", "whether a query sees earlier tokens only"},
        Field{"pass", &R::pass, Role::key, "", "forward, backward or forward_backward"},
        Field{"backward_rotation", &R::backward_rotation, Role::key, "",
              "what travels in backward: kv or q; none in forward"},
        Field{"inputs", &R::inputs, Role::key, "",
              "what the timed passes work on: random, or probe, whose answer is known"},
        Field{"threads", &R::threads, Role::key, "", "threads of a rank"},
        Field{"polling", &R::polling, Role::key, "", "whether kernels drive communication between tiles"},
        Field{"repeats", &R::repeats, Role::key, "", "timed repeats that were asked for"},
        Field{"repeats_done", &R::repeats_done, Role::measure, "",
              "timed repeats that were made; their raw samples are in /samples"},
        Field{"step_time", &R::step_time, Role::measure, "s", "median over repeats of the slowest rank's time"},
        Field{"step_time_min", &R::step_time_min, Role::measure, "s",
              "smallest over repeats of the slowest rank's time"},
        Field{"step_time_max", &R::step_time_max, Role::measure, "s",
              "largest over repeats of the slowest rank's time"},
        Field{"flop_causal", &R::flop_causal, Role::model, "FLOP",
              "work of all ranks, visible (query, key) pairs under a causal mask only"},
        Field{"flop_full", &R::flop_full, Role::model, "FLOP", "work of all ranks, every (query, key) pair counted"},
        Field{"flops_per_second_per_rank", &R::flops_per_second_per_rank, Role::measure, "FLOP/s",
              "flop_causal (flop_full when causal is false) / step_time / ranks"},
        Field{"peak_flops_per_second", &R::peak_flops_per_second, Role::measure, "FLOP/s",
              "peak of one rank for this dtype, measured in this run with this many ranks busy: of FMA chains, or on a "
              "GPU "
              "of a square matrix product (--gemm-extent)"},
        Field{"mfu_measured_peak", &R::mfu_measured_peak, Role::measure, "1",
              "flops_per_second_per_rank / peak_flops_per_second"},
        Field{"nominal_flops_per_second", &R::nominal_flops_per_second, Role::model, "FLOP/s",
              "peak by the rated clock for this dtype: of FMA and the rank's instruction set, or of the GPU's matrix "
              "products, whole even where ranks share it; 0 where the clock or the GPU is unknown"},
        Field{"mfu_nominal_peak", &R::mfu_nominal_peak, Role::measure, "1",
              "flops_per_second_per_rank / nominal_flops_per_second; 0 where the latter is"},
        Field{"tokens_per_second", &R::tokens_per_second, Role::measure, "token/s",
              "batch * context_length / step_time"},
        Field{"layout_efficiency_bound", &R::layout_efficiency_bound, Role::model, "1",
              "largest possible share of busy ranks for this layout and mask, ring steps in lockstep"},
        Field{"hops", &R::hops, Role::measure, "", "neighbour transfers of activations that a rank made in one pass"},
        Field{"wire_bytes", &R::wire_bytes, Role::measure, "B",
              "bytes that all ranks together sent round the ring in one pass, counted"},
        Field{"wire_bytes_model", &R::wire_bytes_model, Role::model, "B",
              "the same by the byte model; a difference makes the row invalid"},
        Field{"peak_bytes", &R::peak_bytes, Role::measure, "B",
              "largest over ranks of the memory held in buffers at once: host memory, or the GPU's for backend cuda"},
        Field{"peak_bytes_model", &R::peak_bytes_model, Role::model, "B", "the same by the memory formula of src/perf"},
        Field{"peak_resident_bytes", &R::peak_resident_bytes, Role::measure, "B",
              "largest over ranks of the growth of the process's resident memory, libraries included"},
        Field{"error", &R::error, Role::measure, "1",
              "largest error of sampled rows against fp64, each relative to the largest of its own row; 0 with inputs "
              "probe, "
              "where every row is held against its known answer instead"},
        Field{"error_rms", &R::error_rms, Role::measure, "1", "root mean square of these errors, of the worst tensor"},
        Field{"error_tolerance", &R::error_tolerance, Role::model, "1",
              "bound that error must keep for the row to be valid"},
        Field{"lse_error", &R::lse_error, Role::measure, "1",
              "the largest of these errors of the log-sum-exp alone, which stays fp32 in every dtype"},
        Field{"lse_error_tolerance", &R::lse_error_tolerance, Role::model, "1", "bound that lse_error must keep"},
        Field{
            "probe_rows", &R::probe_rows, Role::measure, "",
            "rows of out, log-sum-exp, dq, dk and dv of all ranks that the retrieval probe looked at, in a pass of its "
            "own before the timed ones; 0: not run, as heads of this size have no probe of this length"},
        Field{"probe_wrong_rows", &R::probe_wrong_rows, Role::verdict, "", "those that differ from the known answer"},
        Field{
            "probe_first_wrong", &R::probe_first_wrong, Role::verdict, "",
            "the first of them: rank, token, the other token concerned, its origin rank and hop, and what happened to "
            "it"},
        Field{"valid", &R::valid, Role::verdict, "",
              "whether the result was checked and right, and counts agreed with their models"},
        Field{"outcome", &R::outcome, Role::verdict, "",
              "ok, failed_check, not_finite, out_of_memory, timeout, interrupted or bad_input"},
        Field{"reason", &R::reason, Role::verdict, "", "why the row is not valid; empty when it is"},
        Field{"seed", &R::seed, Role::key, "", "seed of the inputs, and of the places where samples are taken"},
        Field{"memory_limit", &R::memory_limit, Role::origin, "B",
              "memory that a rank was allowed to hold; 0: no limit"},
        Field{"time_limit", &R::time_limit, Role::origin, "s", "time that the point was allowed to take; 0: no limit"},
        Field{"run", &R::run, Role::origin, "",
              "0 for the run that started the record, n for the n-th that resumed it (/provenance)"}};
  }
};

/// One timed repeat on one rank.
struct SampleRow {
  static constexpr std::string_view path = "/samples";
  static constexpr std::string_view meaning = "raw timings behind /attention: one row a repeat and rank";

  std::int64_t attention_row = 0;
  std::int64_t repeat = 0;
  std::int64_t rank = 0;
  double seconds = 0;
  double clock = 0;
  double memory_clock = 0;
  double power = 0;
  double temperature = 0;
  FixedString<96> throttle_reasons;

  static constexpr auto fields() {
    using R = SampleRow;
    return std::tuple{
        Field{"attention_row", &R::attention_row, Role::key, "", "index of the row of /attention"},
        Field{"repeat", &R::repeat, Role::key, "", "timed repeat, counted from 0"},
        Field{"rank", &R::rank, Role::key, "", "rank in its ring"},
        Field{"seconds", &R::seconds, Role::measure, "s", "wall time of the pass on this rank"},
        Field{"clock", &R::clock, Role::measure, "Hz",
              "of the GPU's multiprocessors right after the pass, by NVML; 0: host, or not available"},
        Field{"memory_clock", &R::memory_clock, Role::measure, "Hz", "of the GPU's memory; 0 likewise"},
        Field{"power", &R::power, Role::measure, "W", "that the GPU draws; 0 likewise"},
        Field{"temperature", &R::temperature, Role::measure, "degC", "of the GPU; 0 likewise"},
        Field{"throttle_reasons", &R::throttle_reasons, Role::measure, "",
              "why the GPU's clock was not higher: none, or reasons; not available without NVML; empty on "
              "the host"}};
  }
};

/// One hop of one rank, measured three ways.
struct HopRow {
  static constexpr std::string_view path = "/overlap/hops";
  static constexpr std::string_view meaning =
      "compute only, communication only and both, for each hop of each rank; medians over repeats";

  std::int64_t attention_row = 0;
  std::int64_t rank = 0;
  std::int64_t hop = 0;
  double t_compute = 0;
  double t_comm = 0;
  double t_both = 0;
  double exposed = 0;
  double overlap = 0;
  std::int64_t bytes = 0;
  bool polling = true;

  static constexpr auto fields() {
    using R = HopRow;
    return std::tuple{
        Field{"attention_row", &R::attention_row, Role::key, "",
              "index of the row of /attention that this probe belongs to"},
        Field{"rank", &R::rank, Role::key, "", "rank in its ring"},
        Field{"hop", &R::hop, Role::key, "",
              "ring step whose transfers are waited for, counted from 0: 0 to P-2 in a forward pass (also probed for "
              "forward_backward); in a backward pass 0 to P, as gradients are waited for a step later and come home "
              "last"},
        Field{"t_compute", &R::t_compute, Role::measure, "s",
              "time of the ring step without its transfer; on a GPU all three are times between events of its compute "
              "stream"},
        Field{"t_comm", &R::t_comm, Role::measure, "s", "time of the transfer without compute"},
        Field{"t_both", &R::t_both, Role::measure, "s", "time of the ring step with its transfer"},
        Field{"exposed", &R::exposed, Role::measure, "s",
              "t_both - t_compute: communication that compute did not hide"},
        Field{"overlap", &R::overlap, Role::measure, "1",
              "(t_compute + t_comm - t_both) / min(t_compute, t_comm): 1 = all hidden, 0 = none"},
        Field{"bytes", &R::bytes, Role::measure, "B", "bytes that this rank sent in these transfers"},
        Field{"polling", &R::polling, Role::key, "", "whether kernels drove communication between tiles"}};
  }
};

}  // namespace ringworld
