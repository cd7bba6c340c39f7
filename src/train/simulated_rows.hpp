#pragma once
/// @file  The row that `ringworld train` records of a stage whose kernels compute nothing. It has a table of its own, so
/// that it is never taken for a row of a training.

#include <cstdint>

#include "io/row.hpp"
#include "io/schedule_columns.hpp"

namespace ringworld {

/// One optimiser step of a stage, simulated; there is no loss.
struct SimulatedStepRow : ScheduleColumns {
  static constexpr std::string_view path = "/training/simulated";
  static constexpr std::string_view meaning =
      "one optimiser step of a stage, its times simulated and not measured: kernels take the time that rates say. "
      "Nothing "
      "is computed, so there is no loss";

  FixedString<48> stages;
  std::int64_t stage = 0;
  std::int64_t context_length = 0;
  std::int64_t steps = 0;
  std::int64_t batch = 0;
  std::int64_t micro_batch = 0;
  FixedString<48> mesh;
  std::int64_t ranks = 0;
  FixedString<16> layout;
  FixedString<16> backend;
  FixedString<16> dtype;
  FixedString<16> wire_dtype;
  FixedString<24> recompute;
  std::int64_t parameters = 0;
  std::int64_t layers = 0;
  std::int64_t layers_simulated = 0;
  std::int64_t fewer_layers_simulated = 0;
  bool simulated = true;
  FixedString<64> rates;
  FixedString<24> rates_digest;
  FixedString<48> platform;
  FixedString<24> platform_digest;
  std::int64_t tokens = 0;
  double step_time = 0;
  double layer_time = 0;
  double rest_time = 0;
  double time_simulated = 0;
  double fewer_time_simulated = 0;
  double attention_time = 0;
  double product_time = 0;
  double elementwise_time = 0;
  double communication_time = 0;
  double idle_time = 0;
  double tokens_per_second = 0;
  double stage_seconds = 0;
  double flop_causal = 0;
  double flop_full = 0;
  double mfu_causal = 0;
  double mfu_full = 0;
  std::int64_t hops = 0;
  std::int64_t hop_bytes = 0;
  std::int64_t collectives = 0;
  std::int64_t collective_bytes = 0;
  bool valid = false;
  FixedString<16> outcome;
  FixedString<240> reason;
  std::int64_t run = 0;

  static Columns columns() {
    using R = SimulatedStepRow;
    return joined(
        {Columns{Column{"stages", &R::stages, Role::key, "", "as in /training/stages"},
                 Column{"stage", &R::stage, Role::key, "", "stage of the list, counted from 0"},
                 Column{"context_length", &R::context_length, Role::key, "token",
                        "tokens of one sequence, over all ranks (S)"},
                 Column{"steps", &R::steps, Role::key, "", "optimiser steps of the stage"},
                 Column{"batch", &R::batch, Role::key, "", "sequences a step, over all ranks (B)"},
                 Column{"micro_batch", &R::micro_batch, Role::key, "",
                        "sequences of a rank that go through the model at once"},
                 Column{"mesh", &R::mesh, Role::key, "", "ranks on the axes dp,fsdp,tp,sp"},
                 Column{"ranks", &R::ranks, Role::key, "rank", "ranks of the job"}},
         schedule_columns<R>(),
         Columns{
             Column{"layout", &R::layout, Role::key, "", "which tokens a rank holds: contiguous, striped or zigzag"},
             Column{"backend", &R::backend, Role::key, "", "backend whose kernels pass the time, by name"},
             Column{"dtype", &R::dtype, Role::key, "", "type of activations; master weights and moments are float32"},
             Column{"wire_dtype", &R::wire_dtype, Role::key, "",
                    "type of keys and values while they travel round the ring"},
             Column{"recompute", &R::recompute, Role::key, "", "as in /training/stages"},
             Column{"parameters", &R::parameters, Role::key, "", "parameters of the model with all its layers"},
             Column{"layers", &R::layers, Role::key, "", "layers of the model, for which step_time is"},
             Column{"layers_simulated", &R::layers_simulated, Role::key, "",
                    "layers of the larger model that was simulated; as many as layers: nothing was extrapolated"},
             Column{"fewer_layers_simulated", &R::fewer_layers_simulated, Role::key, "",
                    "layers of the smaller one; 0: there was none"},
             Column{"simulated", &R::simulated, Role::key, "", "always: a time of this table is not a measurement"},
             Column{"rates", &R::rates, Role::key, "",
                    "what kernels took their times from: name of a rate table, or a rate"},
             Column{"rates_digest", &R::rates_digest, Role::key, "", "digest of these rates"},
             Column{"platform", &R::platform, Role::key, "",
                    "network of simulated ranks (scripts/simulate.sh); empty where ranks are processes, with real "
                    "messages"},
             Column{"platform_digest", &R::platform_digest, Role::key, "", "digest of its file"},
             Column{"tokens", &R::tokens, Role::model, "token", "tokens of the step, over all sequences and ranks"},
             Column{"step_time", &R::step_time, Role::measure, "s",
                    "time of a step with all layers: rest_time + layers * layer_time, slowest rank"},
             Column{"layer_time", &R::layer_time, Role::measure, "s",
                    "what a layer adds: (time_simulated - fewer_time_simulated) / difference of their layers"},
             Column{"rest_time", &R::rest_time, Role::measure, "s", "what is there once"},
             Column{"time_simulated", &R::time_simulated, Role::measure, "s", "time of a step with layers_simulated"},
             Column{"fewer_time_simulated", &R::fewer_time_simulated, Role::measure, "s",
                    "time of a step with fewer_layers_simulated; 0: there was none"},
             Column{"attention_time", &R::attention_time, Role::measure, "s",
                    "of step_time, in attention and the hops of its ring, mean over ranks; scaled like it"},
             Column{"product_time", &R::product_time, Role::measure, "s", "in matrix products, likewise"},
             Column{"elementwise_time", &R::elementwise_time, Role::measure, "s", "in all other kernels, likewise"},
             Column{"communication_time", &R::communication_time, Role::measure, "s",
                    "waiting for shards, gradients and sums over tensor-parallel ranks, likewise"},
             Column{"idle_time", &R::idle_time, Role::measure, "s", "step_time minus the four times above"},
             Column{"tokens_per_second", &R::tokens_per_second, Role::measure, "token/s", "tokens / step_time"},
             Column{"stage_seconds", &R::stage_seconds, Role::measure, "s", "steps * step_time"},
             Column{"flop_causal", &R::flop_causal, Role::model, "FLOP",
                    "work of the step on all ranks, forward and backward, without recomputation; visible (query, key) "
                    "pairs only"},
             Column{"flop_full", &R::flop_full, Role::model, "FLOP", "the same with every (query, key) pair counted"},
             Column{"mfu_causal", &R::mfu_causal, Role::measure, "1",
                    "flop_causal / step_time / rated peak of the platform's devices; 0 where that is unknown"},
             Column{"mfu_full", &R::mfu_full, Role::measure, "1", "the same of flop_full"},
             Column{"hops", &R::hops, Role::measure, "", "blocks that all ranks sent to another; scaled to all layers"},
             Column{"hop_bytes", &R::hop_bytes, Role::measure, "B", "bytes of these"},
             Column{"collectives", &R::collectives, Role::measure, "",
                    "calls of collectives of numbers in buffers, summed over ranks; scaled to all layers"},
             Column{"collective_bytes", &R::collective_bytes, Role::measure, "B",
                    "bytes of these that must cross the link of a rank, summed over ranks"},
             Column{"valid", &R::valid, Role::verdict, "", "whether the step ran to its end"},
             Column{"outcome", &R::outcome, Role::verdict, "", "ok, out_of_memory, timeout, interrupted or bad_input"},
             Column{"reason", &R::reason, Role::verdict, "", "why the row is not valid; empty when it is"},
             Column{"run", &R::run, Role::origin, "",
                    "0 for the run that started the record, n for the n-th that resumed it (/provenance)"}}});
  }
};

}  // namespace ringworld
