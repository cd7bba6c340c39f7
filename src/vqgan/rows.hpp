#pragma once
/// @file  Rows of a VQGAN's training.

#include <cstdint>
#include <string_view>
#include <tuple>

#include "io/row.hpp"

namespace ringworld {

/// One optimiser step.
struct VqganStepRow {
  static constexpr std::string_view path = "/vqgan/steps";
  static constexpr std::string_view meaning = "one optimiser step of a VQGAN's training";

  std::int64_t step = 0;
  std::int64_t batch = 0;
  bool is_quantized = false;
  double loss = 0;
  double absolute_error = 0;
  double squared_error = 0;
  double quantization_error = 0;
  std::int64_t codes_used = 0;
  std::int64_t codes_restarted = 0;
  double grad_norm = 0;
  double learning_rate = 0;
  double step_time = 0;
  double frames_per_second = 0;
  double product_time = 0;
  double elementwise_time = 0;
  double communication_time = 0;
  double elapsed = 0;
  std::int64_t ranks = 0;
  std::int64_t seed = 0;
  FixedString<24> training_digest;
  bool valid = true;
  FixedString<16> outcome = "ok";
  FixedString<240> reason;
  std::int64_t run = 0;

  static Columns columns() {
    using R = VqganStepRow;
    return {Column{"step", &R::step, Role::key, "", "optimiser step, counted from 0"},
            Column{"batch", &R::batch, Role::model, "", "frames of the step, over all ranks"},
            Column{"is_quantized", &R::is_quantized, Role::model, "",
                   "whether the decoder got codebook vectors; else z itself (the first plain_steps steps)"},
            Column{"loss", &R::loss, Role::measure, "1", "weighted sum of the errors, which is minimised"},
            Column{"absolute_error", &R::absolute_error, Role::measure, "1",
                   "mean |x' - x| over all numbers of the frames, in units of [-1, 1]"},
            Column{"squared_error", &R::squared_error, Role::measure, "1", "mean (x' - x)^2 over the same"},
            Column{"quantization_error", &R::quantization_error, Role::measure, "1",
                   "mean (z - e)^2 over all numbers of the latent vectors; 0 without the quantiser"},
            Column{"codes_used", &R::codes_used, Role::measure, "",
                   "distinct codes of the step's frames; 0 without the quantiser"},
            Column{"codes_restarted", &R::codes_restarted, Role::measure, "",
                   "unused codes that got a new vector after the step"},
            Column{"grad_norm", &R::grad_norm, Role::measure, "1", "norm of all gradients before clipping"},
            Column{"learning_rate", &R::learning_rate, Role::model, "1", "learning rate of the step"},
            Column{"step_time", &R::step_time, Role::measure, "s", "time of the step, of the slowest rank"},
            Column{"frames_per_second", &R::frames_per_second, Role::measure, "frame/s", "batch / step_time"},
            Column{"product_time", &R::product_time, Role::measure, "s",
                   "time in convolutions, by the device's clock, mean over ranks"},
            Column{"elementwise_time", &R::elementwise_time, Role::measure, "s",
                   "time in all other kernels, by the device's clock, mean over ranks"},
            Column{"communication_time", &R::communication_time, Role::measure, "s",
                   "time in the sum of gradients over ranks, mean over ranks"},
            Column{"elapsed", &R::elapsed, Role::measure, "s",
                   "time of all steps up to this one, resumed runs joined without their pauses"},
            Column{"ranks", &R::ranks, Role::key, "rank", "ranks of the job"},
            Column{"seed", &R::seed, Role::key, "", "seed of the weights and of the codebook's draws"},
            Column{"training_digest", &R::training_digest, Role::key, "",
                   "digest of all that decides what is computed: architecture, frames, loss, optimizer, steps"},
            Column{"valid", &R::valid, Role::verdict, "", "whether loss and gradients were finite"},
            Column{"outcome", &R::outcome, Role::verdict, "",
                   "ok, failed_check, not_finite, out_of_memory, timeout, interrupted or bad_input"},
            Column{"reason", &R::reason, Role::verdict, "", "why the row is not valid; empty when it is"},
            Column{"run", &R::run, Role::origin, "",
                   "0 for the run that started the record, n for the n-th that resumed it (/provenance)"}};
  }
};

/// One look at held-out frames.
struct VqganEvaluationRow {
  static constexpr std::string_view path = "/vqgan/evaluation";
  static constexpr std::string_view meaning = "held-out frames, encoded and decoded by the VQGAN in training";

  std::int64_t step = 0;
  std::int64_t frames = 0;
  std::int64_t frame_side = 0;
  std::int64_t codes_per_frame = 0;
  std::int64_t codebook_size = 0;
  std::int64_t parameters = 0;
  bool is_quantized = false;
  double psnr = 0;
  double absolute_error = 0;
  double squared_error = 0;
  double quantization_error = 0;
  std::int64_t codes_used = 0;
  double perplexity = 0;
  double seconds = 0;
  double frames_per_second = 0;
  double training_seconds = 0;
  FixedString<16> backend;
  std::int64_t threads = 1;
  std::int64_t peak_bytes = 0;
  std::int64_t peak_bytes_model = 0;
  std::int64_t ranks = 0;
  std::int64_t seed = 0;
  FixedString<24> training_digest;
  bool valid = true;
  FixedString<16> outcome = "ok";
  FixedString<240> reason;
  std::int64_t run = 0;

  static Columns columns() {
    using R = VqganEvaluationRow;
    return {
        Column{"step", &R::step, Role::key, "", "optimiser steps that were taken before"},
        Column{"frames", &R::frames, Role::key, "", "held-out frames"},
        Column{"frame_side", &R::frame_side, Role::model, "pixel", "height and width of a frame"},
        Column{"codes_per_frame", &R::codes_per_frame, Role::model, "", "codes of a frame"},
        Column{"codebook_size", &R::codebook_size, Role::model, "", "codes there are"},
        Column{"parameters", &R::parameters, Role::model, "", "parameters of the network, codebook included"},
        Column{"is_quantized", &R::is_quantized, Role::model, "", "as in /vqgan/steps"},
        Column{"psnr", &R::psnr, Role::measure, "dB", "10 log10(4 / squared_error) of the clipped reconstructions"},
        Column{"absolute_error", &R::absolute_error, Role::measure, "1",
               "mean |x' - x| over all numbers of the frames, in units of [-1, 1], reconstructions clipped"},
        Column{"squared_error", &R::squared_error, Role::measure, "1", "mean (x' - x)^2 over the same"},
        Column{"quantization_error", &R::quantization_error, Role::measure, "1",
               "mean (z - e)^2 over all numbers of the latent vectors; 0 without the quantiser"},
        Column{"codes_used", &R::codes_used, Role::measure, "",
               "distinct codes of the frames; 0 without the quantiser"},
        Column{"perplexity", &R::perplexity, Role::measure, "",
               "exp(entropy) of the codes' frequencies: so many equally likely codes; 0 without the quantiser"},
        Column{"seconds", &R::seconds, Role::measure, "s", "time to encode, decode and compare, of the slowest rank"},
        Column{"frames_per_second", &R::frames_per_second, Role::measure, "frame/s", "frames / seconds"},
        Column{"training_seconds", &R::training_seconds, Role::measure, "s", "`elapsed` of the steps before"},
        Column{"backend", &R::backend, Role::key, "", "backend whose kernels computed, by name"},
        Column{"threads", &R::threads, Role::key, "", "threads of a rank"},
        Column{"peak_bytes", &R::peak_bytes, Role::measure, "B",
               "largest over ranks of the memory held in buffers at once, where the kernels compute"},
        Column{"peak_bytes_model", &R::peak_bytes_model, Role::model, "B",
               "the same by the formula that --dry-run prints, without the scratch memory of kernels"},
        Column{"ranks", &R::ranks, Role::key, "rank", "ranks of the job"},
        Column{"seed", &R::seed, Role::key, "", "seed of the weights and of the codebook's draws"},
        Column{"training_digest", &R::training_digest, Role::key, "", "as in /vqgan/steps"},
        Column{"valid", &R::valid, Role::verdict, "", "whether the errors are finite"},
        Column{"outcome", &R::outcome, Role::verdict, "",
               "ok, failed_check, not_finite, out_of_memory, timeout, interrupted or bad_input"},
        Column{"reason", &R::reason, Role::verdict, "", "why the row is not valid; empty when it is"},
        Column{"run", &R::run, Role::origin, "",
               "0 for the run that started the record, n for the n-th that resumed it (/provenance)"}};
  }
};

}  // namespace ringworld
