#pragma once
/// @file  The rows that `ringworld train` records: one a step, one a term of its loss, and one a stage.

#include <cstdint>

#include "io/row.hpp"
#include "io/schedule_columns.hpp"

namespace ringworld {

/// One optimiser step.
struct TrainingStepRow {
  static constexpr std::string_view path = "/training/steps";
  static constexpr std::string_view meaning = "one optimiser step; times are those of the slowest rank";

  FixedString<48> stages;
  std::int64_t stage = 0;
  std::int64_t step = 0;
  std::int64_t context_length = 0;
  double rope_theta = 0;
  double loss = 0;
  double grad_norm = 0;
  double learning_rate = 0;
  double step_time = 0;
  double elapsed = 0;
  std::int64_t tokens = 0;
  double tokens_per_second = 0;
  double flop_causal = 0;
  double mfu_measured_peak = 0;
  double attention_time = 0;
  double product_time = 0;
  double elementwise_time = 0;
  double communication_time = 0;
  double idle_time = 0;
  std::int64_t ranks = 0;
  std::int64_t seed = 0;
  FixedString<24> training_digest;
  bool valid = true;
  FixedString<16> outcome = "ok";
  FixedString<120> reason;
  std::int64_t run = 0;

  static Columns columns() {
    using R = TrainingStepRow;
    return {
        Column{"stages", &R::stages, Role::key, "", "name of the list of stages, for records that hold several"},
        Column{"stage", &R::stage, Role::key, "", "stage of the list, counted from 0"},
        Column{"step", &R::step, Role::key, "", "optimiser step of this stage, counted from 0"},
        Column{"context_length", &R::context_length, Role::key, "token", "tokens of one sequence, over all ranks (S)"},
        Column{"rope_theta", &R::rope_theta, Role::key, "1", "base of the rotary angles"},
        Column{
            "loss", &R::loss, Role::measure, "nat",
            "what was minimised: the sum over the terms of /training/terms of weight * loss, where terms of one group "
            "count as one"},
        Column{"grad_norm", &R::grad_norm, Role::measure, "1", "Euclidean norm of all gradients, before clipping"},
        Column{"learning_rate", &R::learning_rate, Role::model, "1", "learning rate of this step"},
        Column{"step_time", &R::step_time, Role::measure, "s", "time of the step, slowest rank"},
        Column{"elapsed", &R::elapsed, Role::measure, "s",
               "training time of all stages up to the end of this step, resumed runs joined without their pauses"},
        Column{"tokens", &R::tokens, Role::model, "token", "tokens of the step, over all sequences and ranks"},
        Column{"tokens_per_second", &R::tokens_per_second, Role::measure, "token/s", "tokens / step_time"},
        Column{"flop_causal", &R::flop_causal, Role::model, "FLOP",
               "work of the step on all ranks, forward and backward, without recomputation; visible (query, key) pairs "
               "only"},
        Column{"mfu_measured_peak", &R::mfu_measured_peak, Role::measure, "1",
               "flop_causal / step_time / peak of all ranks, measured in this run (of a CPU in FMA, of a GPU in matrix "
               "products); 0 where it was not measured"},
        Column{"attention_time", &R::attention_time, Role::measure, "s",
               "time in attention and the hops of its ring, by the device's clock, mean over ranks"},
        Column{"product_time", &R::product_time, Role::measure, "s",
               "time in matrix products, by the device's clock, mean over ranks"},
        Column{"elementwise_time", &R::elementwise_time, Role::measure, "s",
               "time in all other kernels, by the device's clock, mean over ranks"},
        Column{"communication_time", &R::communication_time, Role::measure, "s",
               "time spent waiting for shards, gradients and sums over tensor-parallel ranks, mean over ranks"},
        Column{"idle_time", &R::idle_time, Role::measure, "s",
               "step_time minus the four times above: the device was idle"},
        Column{"ranks", &R::ranks, Role::key, "rank", "ranks of the job"},
        Column{"seed", &R::seed, Role::key, "", "seed of the weights and of the data"},
        Column{
            "training_digest", &R::training_digest, Role::key, "",
            "digest of all that decides what is computed up to this stage: text, tokenizer, model, optimizer, stages"},
        Column{"valid", &R::valid, Role::verdict, "", "whether loss and gradients were finite"},
        Column{"outcome", &R::outcome, Role::verdict, "",
               "ok, failed_check, not_finite, out_of_memory, timeout, interrupted or bad_input"},
        Column{"reason", &R::reason, Role::verdict, "", "why the row is not valid; empty when it is"},
        Column{"run", &R::run, Role::origin, "",
               "0 for the run that started the record, n for the n-th that resumed it (/provenance)"}};
  }
};

/// One term of the loss of one step.
struct TrainingTermRow {
  static constexpr std::string_view path = "/training/terms";
  static constexpr std::string_view meaning = "one term of the loss of one optimiser step of /training/steps";

  FixedString<48> stages;
  std::int64_t stage = 0;
  std::int64_t step = 0;
  FixedString<16> term;
  double loss = 0;
  double accuracy = 0;
  std::int64_t tokens = 0;
  double weight = 0;
  std::int64_t ranks = 0;
  std::int64_t seed = 0;
  FixedString<24> training_digest;
  bool valid = true;
  FixedString<16> outcome = "ok";
  std::int64_t run = 0;

  static Columns columns() {
    using R = TrainingTermRow;
    return {Column{"stages", &R::stages, Role::key, "", "as in /training/steps"},
            Column{"stage", &R::stage, Role::key, "", "as in /training/steps"},
            Column{"step", &R::step, Role::key, "", "optimiser step of this stage, counted from 0"},
            Column{"term", &R::term, Role::key, "", "name that the stage's task gives the term: answer, text, ..."},
            Column{"loss", &R::loss, Role::measure, "nat", "mean nll of its targets; NaN when the step has none"},
            Column{"accuracy", &R::accuracy, Role::measure, "1",
                   "share of its targets that are the likeliest token; NaN when the step has none"},
            Column{"tokens", &R::tokens, Role::measure, "token", "its targets, over all sequences and ranks"},
            Column{"weight", &R::weight, Role::model, "1", "weight of the term in the loss that is minimised"},
            Column{"ranks", &R::ranks, Role::key, "rank", "ranks of the job"},
            Column{"seed", &R::seed, Role::key, "", "seed of the weights and of the data"},
            Column{"training_digest", &R::training_digest, Role::key, "", "as in /training/steps"},
            Column{"valid", &R::valid, Role::verdict, "", "whether loss and gradients of the step were finite"},
            Column{"outcome", &R::outcome, Role::verdict, "", "outcome of the step"},
            Column{"run", &R::run, Role::origin, "",
                   "0 for the run that started the record, n for the n-th that resumed it (/provenance)"}};
  }
};

/// One stage of training, written when it has ended.
struct TrainingStageRow : ScheduleColumns {
  static constexpr std::string_view path = "/training/stages";
  static constexpr std::string_view meaning = "one finished stage of training";

  FixedString<48> stages;
  std::int64_t stage = 0;
  std::int64_t context_length = 0;
  std::int64_t tokens_per_rank = 0;
  double rope_theta = 0;
  std::int64_t steps = 0;
  std::int64_t batch = 0;
  std::int64_t tokens = 0;
  FixedString<48> mesh;
  std::int64_t ranks = 0;
  FixedString<16> layout;
  FixedString<16> backend;
  FixedString<16> transport;
  FixedString<16> dtype;
  FixedString<16> wire_dtype;
  std::int64_t threads = 1;
  FixedString<24> recompute;
  double learning_rate = 0;
  double seconds = 0;
  double reshard_seconds = 0;
  double checkpoint_seconds = 0;
  double tokens_per_second = 0;
  double flop_causal = 0;
  double flop_full = 0;
  double mfu_measured_peak = 0;
  double attention_share = 0;
  double product_share = 0;
  double elementwise_share = 0;
  double communication_share = 0;
  double idle_share = 0;
  std::int64_t parameters = 0;
  std::int64_t peak_bytes = 0;
  std::int64_t peak_bytes_model = 0;
  double final_loss = 0;
  FixedString<16> first_term;
  double final_accuracy = 0;
  std::int64_t seed = 0;
  FixedString<24> training_digest;
  bool valid = false;
  FixedString<16> outcome;
  FixedString<240> reason;
  std::int64_t run = 0;

  static Columns columns() {
    using R = TrainingStageRow;
    return joined(
        {Columns{
             Column{"stages", &R::stages, Role::key, "", "name of the list of stages, for records that hold several"},
             Column{"stage", &R::stage, Role::key, "", "stage of the list, counted from 0"},
             Column{"context_length", &R::context_length, Role::key, "token",
                    "tokens of one sequence, over all ranks (S)"},
             Column{"tokens_per_rank", &R::tokens_per_rank, Role::model, "token",
                    "tokens of one sequence on the rank with most (T)"},
             Column{"rope_theta", &R::rope_theta, Role::key, "1", "base of the rotary angles"},
             Column{"steps", &R::steps, Role::key, "", "optimiser steps of the stage"},
             Column{"batch", &R::batch, Role::key, "", "sequences a step, over all ranks (B)"},
             Column{"tokens", &R::tokens, Role::model, "token", "tokens of the stage: steps * batch * context_length"},
             Column{"mesh", &R::mesh, Role::key, "", "ranks on the axes dp,fsdp,tp,sp"},
             Column{"ranks", &R::ranks, Role::key, "rank", "ranks of the job"}},
         schedule_columns<R>(),
         Columns{
             Column{"layout", &R::layout, Role::key, "", "which tokens a rank holds: contiguous, striped or zigzag"},
             Column{"backend", &R::backend, Role::key, "", "backend whose kernels computed, by name"},
             Column{"transport", &R::transport, Role::key, "",
                    "how data travel: mpi from host memory, else the name of the transport of device memory"},
             Column{"dtype", &R::dtype, Role::key, "", "type of activations; master weights and moments are float32"},
             Column{"wire_dtype", &R::wire_dtype, Role::key, "",
                    "type of keys and values while they travel round the ring"},
             Column{"threads", &R::threads, Role::key, "", "threads of a rank"},
             Column{"recompute", &R::recompute, Role::key, "",
                    "what backward computes again: none, attention_saved, full or ffn_saved (least)"},
             Column{"learning_rate", &R::learning_rate, Role::key, "1", "largest learning rate of the stage"},
             Column{"seconds", &R::seconds, Role::measure, "s",
                    "time of the stage's steps, resumed runs joined without their pauses"},
             Column{"reshard_seconds", &R::reshard_seconds, Role::measure, "s",
                    "time to redistribute parameters and moments to the stage's mesh"},
             Column{"checkpoint_seconds", &R::checkpoint_seconds, Role::measure, "s",
                    "time to write the stage's checkpoints, without the checkpoint at its end"},
             Column{"tokens_per_second", &R::tokens_per_second, Role::measure, "token/s", "tokens / seconds"},
             Column{"flop_causal", &R::flop_causal, Role::model, "FLOP",
                    "work of the stage on all ranks, forward and backward, without recomputation; visible (query, key) "
                    "pairs "
                    "only"},
             Column{"flop_full", &R::flop_full, Role::model, "FLOP", "the same with every (query, key) pair counted"},
             Column{
                 "mfu_measured_peak", &R::mfu_measured_peak, Role::measure, "1",
                 "flop_causal / seconds / peak of all ranks, measured in this run (of a CPU in FMA, of a GPU in matrix "
                 "products); 0 where it was not measured"},
             Column{"attention_share", &R::attention_share, Role::measure, "1",
                    "share of step_time in attention_time, over all recorded steps of the stage; NaN without steps"},
             Column{"product_share", &R::product_share, Role::measure, "1",
                    "share of step_time in product_time, over all recorded steps of the stage; NaN without steps"},
             Column{"elementwise_share", &R::elementwise_share, Role::measure, "1",
                    "share of step_time in elementwise_time, over all recorded steps of the stage; NaN without steps"},
             Column{
                 "communication_share", &R::communication_share, Role::measure, "1",
                 "share of step_time in communication_time, over all recorded steps of the stage; NaN without steps"},
             Column{"idle_share", &R::idle_share, Role::measure, "1",
                    "share of step_time in idle_time, over all recorded steps of the stage; NaN without steps"},
             Column{"parameters", &R::parameters, Role::model, "", "parameters of the model"},
             Column{"peak_bytes", &R::peak_bytes, Role::measure, "B",
                    "largest over ranks of the memory held in buffers at once, where the kernels compute"},
             Column{"peak_bytes_model", &R::peak_bytes_model, Role::model, "B",
                    "the same by the plan that --dry-run prints"},
             Column{"final_loss", &R::final_loss, Role::measure, "nat",
                    "mean loss of the stage's last tenth of steps, as recorded"},
             Column{"first_term", &R::first_term, Role::model, "",
                    "first term of the task's loss, as in /training/terms"},
             Column{
                 "final_accuracy", &R::final_accuracy, Role::measure, "1",
                 "mean accuracy of the first term over those of these steps that have targets of it; NaN if none has"},
             Column{"seed", &R::seed, Role::key, "", "seed of the weights and of the data"},
             Column{"training_digest", &R::training_digest, Role::key, "",
                    "digest of all that decides what is computed up to this stage: text, tokenizer, model, optimizer, "
                    "stages"},
             Column{"valid", &R::valid, Role::verdict, "", "whether the stage ran to its end with finite loss"},
             Column{"outcome", &R::outcome, Role::verdict, "",
                    "ok, failed_check, not_finite, out_of_memory, timeout, interrupted or bad_input"},
             Column{"reason", &R::reason, Role::verdict, "", "why the row is not valid; empty when it is"},
             Column{"run", &R::run, Role::origin, "",
                    "0 for the run that started the record, n for the n-th that resumed it (/provenance)"}}});
  }
};

}  // namespace ringworld
