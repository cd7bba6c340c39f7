#pragma once
/// @file  The rows that `ringworld attention` records.

#include <array>
#include <cstdint>

#include "io/record_array.hpp"
#include "io/row.hpp"
#include "io/schedule_columns.hpp"

namespace ringworld {

/// One point of a sweep.
struct AttentionRow : ScheduleColumns {
  static constexpr std::string_view path = "/attention";
  static constexpr std::string_view meaning =
      "one point of the attention sweep; times are medians over repeats of the slowest rank";

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
  bool simulated = false;
  FixedString<48> rates;
  FixedString<24> rates_digest;
  FixedString<32> platform;
  FixedString<24> platform_digest;
  std::int64_t repeats = 0;
  std::int64_t repeats_done = 0;
  bool noisy = false;
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
  double energy = 0;
  double gpu_energy = 0;
  double layout_efficiency_bound = 0;
  std::int64_t hops = 0;
  std::int64_t hops_model = 0;
  std::int64_t messages = 0;
  std::int64_t messages_model = 0;
  std::int64_t wire_bytes = 0;
  std::int64_t wire_bytes_model = 0;
  std::int64_t wire_bytes_between_nodes = 0;
  std::int64_t wire_bytes_between_nodes_model = 0;
  std::int64_t peak_bytes = 0;
  std::int64_t peak_bytes_model = 0;
  std::int64_t peak_resident_bytes = 0;
  double predicted_time = 0;
  double predicted_low = 0;
  double predicted_high = 0;
  double predicted_overlap = 0;
  bool predicted_extrapolated = false;
  FixedString<160> predicted_from;
  double block_flops_per_second = 0;
  double link_bytes_per_second = 0;
  double roofline_tokens = 0;
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

  static Columns columns() {
    using R = AttentionRow;
    return joined(
        {Columns{Column{"context_length", &R::context_length, Role::key, "token",
                        "tokens of one sequence, over all ranks (S)"},
                 Column{"tokens_per_rank", &R::tokens_per_rank, Role::model, "token",
                        "tokens of the rank that holds most (T)"},
                 Column{"ranks", &R::ranks, Role::key, "rank", "ring size (P)"}},
         schedule_columns<R>(),
         Columns{
             Column{"layout", &R::layout, Role::key, "", "which tokens a rank holds: contiguous, striped or zigzag"},
             Column{"backend", &R::backend, Role::key, "", "backend whose kernels computed, by name"},
             Column{"transport", &R::transport, Role::key, "",
                    "how blocks travel: mpi from host memory, else the name of the transport of device memory"},
             Column{"dtype", &R::dtype, Role::key, "", "type of q, k, v and dout in memory"},
             Column{"wire_dtype", &R::wire_dtype, Role::key, "",
                    "type of activations while they travel round the ring"},
             Column{"heads", &R::heads, Role::key, "", "query heads (H)"},
             Column{"kv_heads", &R::kv_heads, Role::key, "", "key/value heads (Hkv)"},
             Column{"head_size", &R::head_size, Role::key, "", "elements of one head (D)"},
             Column{"batch", &R::batch, Role::key, "", "sequences a step (B)"},
             Column{"causal", &R::causal, Role::key, "", "whether a query sees earlier tokens only"},
             Column{"pass", &R::pass, Role::key, "", "forward, backward or forward_backward"},
             Column{"backward_rotation", &R::backward_rotation, Role::key, "",
                    "what travels in backward: kv or q; none in forward"},
             Column{"inputs", &R::inputs, Role::key, "",
                    "what the timed passes work on: random, or probe, whose answer is known"},
             Column{"threads", &R::threads, Role::key, "", "threads of a rank"},
             Column{"polling", &R::polling, Role::key, "", "whether kernels drive communication between tiles"},
             Column{
                 "simulated", &R::simulated, Role::key, "",
                 "whether kernels computed nothing and took the time of measured rates: no measurement of a machine"},
             Column{"rates", &R::rates, Role::key, "",
                    "what simulated kernels took their times from: name of a rate table, or a rate"},
             Column{"rates_digest", &R::rates_digest, Role::key, "", "digest of these rates"},
             Column{"platform", &R::platform, Role::key, "",
                    "network of simulated ranks (scripts/simulate.sh); empty where ranks are processes"},
             Column{"platform_digest", &R::platform_digest, Role::key, "", "digest of its description"},
             Column{"repeats", &R::repeats, Role::key, "",
                    "timed repeats that were asked for; 0: as many as the median needs (auto)"},
             Column{"repeats_done", &R::repeats_done, Role::measure, "",
                    "timed repeats that were made; their raw samples are in /samples"},
             Column{
                 "noisy", &R::noisy, Role::measure, "",
                 "whether the median is not known to 2 %: the farther end of its 95 % interval by order statistics (of "
                 "fewer than 6 repeats, of their range) is farther from it"},
             Column{"step_time", &R::step_time, Role::measure, "s", "median over repeats of the slowest rank's time"},
             Column{"step_time_min", &R::step_time_min, Role::measure, "s",
                    "smallest over repeats of the slowest rank's time"},
             Column{"step_time_max", &R::step_time_max, Role::measure, "s",
                    "largest over repeats of the slowest rank's time"},
             Column{"flop_causal", &R::flop_causal, Role::model, "FLOP",
                    "work of all ranks, visible (query, key) pairs under a causal mask only"},
             Column{"flop_full", &R::flop_full, Role::model, "FLOP",
                    "work of all ranks, every (query, key) pair counted"},
             Column{"flops_per_second_per_rank", &R::flops_per_second_per_rank, Role::measure, "FLOP/s",
                    "flop_causal (flop_full when causal is false) / step_time / ranks"},
             Column{
                 "peak_flops_per_second", &R::peak_flops_per_second, Role::measure, "FLOP/s",
                 "peak of one rank for this dtype, measured in this run with this many ranks busy: of FMA chains, or "
                 "on a "
                 "GPU "
                 "of a square matrix product (--gemm-extent)"},
             Column{"mfu_measured_peak", &R::mfu_measured_peak, Role::measure, "1",
                    "flops_per_second_per_rank / peak_flops_per_second"},
             Column{"nominal_flops_per_second", &R::nominal_flops_per_second, Role::model, "FLOP/s",
                    "peak by the rated clock for this dtype: of FMA and the rank's instruction set, or of the GPU's "
                    "matrix "
                    "products, not divided among ranks that share the GPU; 0 where the clock or the GPU is unknown"},
             Column{"mfu_nominal_peak", &R::mfu_nominal_peak, Role::measure, "1",
                    "flops_per_second_per_rank / nominal_flops_per_second; 0 where the latter is"},
             Column{"tokens_per_second", &R::tokens_per_second, Role::measure, "token/s",
                    "batch * context_length / step_time"},
             Column{"energy", &R::energy, Role::measure, "J",
                    "energy that the processors of all nodes of the ring took for a pass, mean of the timed ones, with "
                    "all "
                    "else that ran on them (Linux powercap); 0: not available"},
             Column{
                 "gpu_energy", &R::gpu_energy, Role::measure, "J",
                 "energy that the GPUs of all ranks took for a pass, mean of the timed ones (NVML); 0: not available"},
             Column{"layout_efficiency_bound", &R::layout_efficiency_bound, Role::model, "1",
                    "upper bound of the share of busy ranks for this schedule, layout and mask, if all ranks run in "
                    "lockstep"},
             Column{"hops", &R::hops, Role::measure, "",
                    "transfers of activations by one rank in one pass, hops of a ring or collectives: mean over ranks, "
                    "rounded up"},
             Column{"hops_model", &R::hops_model, Role::model, "",
                    "the same number, computed from the plan of the schedule; a difference makes the row invalid"},
             Column{"messages", &R::messages, Role::measure, "",
                    "blocks that all ranks together sent in one pass, counted for each receiving rank, however many "
                    "pieces a "
                    "transport cuts them into; operands and gradients"},
             Column{"messages_model", &R::messages_model, Role::model, "",
                    "the same number, computed from the plan of the schedule; a difference makes the row invalid"},
             Column{"wire_bytes", &R::wire_bytes, Role::measure, "B",
                    "bytes that all ranks together sent to others in one pass, counted"},
             Column{"wire_bytes_model", &R::wire_bytes_model, Role::model, "B",
                    "the same number, computed from the plan of the schedule; a difference makes the row invalid"},
             Column{"wire_bytes_between_nodes", &R::wire_bytes_between_nodes, Role::measure, "B",
                    "those of wire_bytes that went from one node to another"},
             Column{"wire_bytes_between_nodes_model", &R::wire_bytes_between_nodes_model, Role::model, "B",
                    "the same number, computed from the plan of the schedule; a difference makes the row invalid"},
             Column{
                 "peak_bytes", &R::peak_bytes, Role::measure, "B",
                 "largest over ranks of the memory held in buffers at once, of the memory that the backend's kernels "
                 "use"},
             Column{"peak_bytes_model", &R::peak_bytes_model, Role::model, "B",
                    "the same number, computed from the plan of the schedule"},
             Column{"peak_resident_bytes", &R::peak_resident_bytes, Role::measure, "B",
                    "largest over ranks of the growth of the process's resident memory, libraries included"},
             Column{"predicted_time", &R::predicted_time, Role::measure, "s",
                    "step_time by the recursion over all ranks' plans and rates of the block kernel and of links; 0: "
                    "none, "
                    "predicted_from says why"},
             Column{"predicted_low", &R::predicted_low, Role::measure, "s",
                    "the same with each rate at the highest that was measured"},
             Column{"predicted_high", &R::predicted_high, Role::measure, "s",
                    "the same with each rate at the lowest that was measured"},
             Column{"predicted_overlap", &R::predicted_overlap, Role::measure, "1",
                    "share of the shorter of compute and communication that was taken to be hidden"},
             Column{"predicted_extrapolated", &R::predicted_extrapolated, Role::measure, "",
                    "whether a rate was used outside the shapes for which it was measured"},
             Column{
                 "predicted_from", &R::predicted_from, Role::origin, "",
                 "where the rates come from, with their digest; or why there is no prediction; empty: none was wanted"},
             Column{"block_flops_per_second", &R::block_flops_per_second, Role::measure, "FLOP/s",
                    "rate of one rank's block kernel in this pass (F): work of all ranks over the time that all their "
                    "blocks "
                    "together are predicted to take"},
             Column{"link_bytes_per_second", &R::link_bytes_per_second, Role::measure, "B/s",
                    "bandwidth of the slowest level of links that the ranks need (B)"},
             Column{
                 "roofline_tokens", &R::roofline_tokens, Role::measure, "token",
                 "tokens a rank from which compute can hide what a rank sends: tokens_per_rank * (wire_bytes_model / "
                 "ranks / B) / time of its blocks"},
             Column{"error", &R::error, Role::measure, "1",
                    "largest error of sampled rows against fp64, each relative to the largest of its own row; 0 with "
                    "inputs "
                    "probe, "
                    "where every row is held against its known answer instead"},
             Column{"error_rms", &R::error_rms, Role::measure, "1",
                    "root mean square of these errors, of the worst tensor"},
             Column{"error_tolerance", &R::error_tolerance, Role::model, "1",
                    "bound that error must keep for the row to be valid"},
             Column{"lse_error", &R::lse_error, Role::measure, "1",
                    "the largest of these errors of the log-sum-exp alone, which stays fp32 in every dtype"},
             Column{"lse_error_tolerance", &R::lse_error_tolerance, Role::model, "1", "bound that lse_error must keep"},
             Column{
                 "probe_rows", &R::probe_rows, Role::measure, "",
                 "rows of out, log-sum-exp, dq, dk and dv of all ranks that the retrieval probe looked at, in a pass "
                 "of its "
                 "own before the timed ones; 0: not run, as heads of this size have no probe of this length"},
             Column{"probe_wrong_rows", &R::probe_wrong_rows, Role::verdict, "",
                    "probed rows that differ from the known answer"},
             Column{"probe_first_wrong", &R::probe_first_wrong, Role::verdict, "",
                    "the first of them: rank, token, the other token concerned, its origin rank and hop, and what "
                    "happened to "
                    "it"},
             Column{"valid", &R::valid, Role::verdict, "",
                    "whether the result was checked and right, and counts agreed with their models"},
             Column{"outcome", &R::outcome, Role::verdict, "",
                    "ok, failed_check, not_finite, out_of_memory, timeout, interrupted or bad_input"},
             Column{"reason", &R::reason, Role::verdict, "", "why the row is not valid; empty when it is"},
             Column{"seed", &R::seed, Role::key, "", "seed of the inputs, and of the places where samples are taken"},
             Column{"memory_limit", &R::memory_limit, Role::origin, "B",
                    "memory that a rank was allowed to hold; 0: no limit"},
             Column{"time_limit", &R::time_limit, Role::origin, "s",
                    "time that the point was allowed to take; 0: no limit"},
             Column{"run", &R::run, Role::origin, "",
                    "0 for the run that started the record, n for the n-th that resumed it (/provenance)"}}});
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

  static Columns columns() {
    using R = SampleRow;
    return {Column{"attention_row", &R::attention_row, Role::key, "", "index of the row of /attention"},
            Column{"repeat", &R::repeat, Role::key, "", "timed repeat, counted from 0"},
            Column{"rank", &R::rank, Role::key, "", "rank in its ring"},
            Column{"seconds", &R::seconds, Role::measure, "s", "wall time of the pass on this rank"},
            Column{"clock", &R::clock, Role::measure, "Hz",
                   "clock of the GPU's multiprocessors right after the pass, read by NVML; 0: host, or not available"},
            Column{"memory_clock", &R::memory_clock, Role::measure, "Hz",
                   "memory clock of the GPU; 0: host, or not available"},
            Column{"power", &R::power, Role::measure, "W", "power that the GPU draws; 0: host, or not available"},
            Column{"temperature", &R::temperature, Role::measure, "degC",
                   "temperature of the GPU; 0: host, or not available"},
            Column{"throttle_reasons", &R::throttle_reasons, Role::measure, "",
                   "why the GPU's clock was not higher: none, or reasons; not available without NVML; empty on "
                   "the host"}};
  }
};

/// The overlap probe of one point: every hop of every rank, measured three ways. The figures lie in arrays, in the
/// order (rank, step).
struct OverlapRow {
  static constexpr std::string_view path = "/overlap/points";
  static constexpr std::string_view meaning =
      "one overlap probe of a point; its figures are the numbers from first on of the arrays below, in the order "
      "(rank, "
      "step), ranks * steps of each: medians over repeats";

  std::int64_t attention_row = 0;
  bool polling = true;
  std::int64_t ranks = 0;
  std::int64_t steps = 0;
  std::int64_t first = 0;

  [[nodiscard]] std::int64_t count() const { return ranks * steps; }

  static Columns columns() {
    using R = OverlapRow;
    return {
        Column{"attention_row", &R::attention_row, Role::key, "",
               "index of the row of /attention that this probe belongs to"},
        Column{"polling", &R::polling, Role::key, "", "whether kernels drove communication between tiles"},
        Column{"ranks", &R::ranks, Role::measure, "rank", "ring size (P)"},
        Column{"steps", &R::steps, Role::measure, "",
               "number of plan steps in the arrays, counted from 0. Ring: P-1 in a forward pass (also for "
               "forward_backward); P+1 in a backward pass, because gradients trail by one step and need a final hop"},
        Column{"first", &R::first, Role::measure, "", "index of the point's first number in each array"}};
  }

  static constexpr std::array<RecordArray, 4> arrays() {
    return {{{"/overlap/t_compute", ColumnKind::float32, "s",
              "time of the ring step without its transfer; on a GPU all three are times between events of its compute "
              "stream"},
             {"/overlap/t_comm", ColumnKind::float32, "s",
              "time of the transfer without compute; NaN where the step waits for no transfer"},
             {"/overlap/t_both", ColumnKind::float32, "s", "time of the ring step with its transfer"},
             {"/overlap/bytes", ColumnKind::int64, "B", "bytes that this rank sent in these transfers"}}};
  }
};

}  // namespace ringworld
