#pragma once
/// @file  The row that `ringworld generate` records.

#include <cstdint>

#include "io/row.hpp"

namespace ringworld {

/// One prompt, and what was generated after it.
struct GenerationRow {
  static constexpr std::string_view path = "/generation/prompts";
  static constexpr std::string_view meaning =
      "one prompt read by attention over ranks and continued greedily from a sharded key/value cache";

  std::int64_t prompt_tokens = 0;
  std::int64_t new_tokens_limit = 0;
  std::int64_t new_tokens = 0;
  std::int64_t ranks = 0;
  FixedString<48> mesh;
  FixedString<24> schedule = "ring";
  FixedString<16> layout;
  FixedString<16> backend;
  FixedString<16> dtype;
  FixedString<16> weights;
  std::int64_t threads = 1;
  double rope_theta = 0;
  FixedString<16> theta_mode;
  std::int64_t trained_context_length = 0;
  double prefill_time = 0;
  double prefill_tokens_per_second = 0;
  double token_time = 0;
  double token_time_min = 0;
  double token_time_max = 0;
  std::int64_t cache_bytes = 0;
  FixedString<160> checkpoint;
  FixedString<24> checkpoint_digest;
  FixedString<24> prompt_digest;
  bool valid = false;
  FixedString<16> outcome;
  FixedString<240> reason;
  std::int64_t run = 0;

  static constexpr auto fields() {
    using R = GenerationRow;
    return std::tuple{
        Field{"prompt_tokens", &R::prompt_tokens, Role::key, "token", "tokens of the prompt, over all ranks (S)"},
        Field{"new_tokens_limit", &R::new_tokens_limit, Role::key, "token",
              "largest number of new tokens, as requested"},
        Field{"new_tokens", &R::new_tokens, Role::measure, "token",
              "tokens generated, an end-of-document token included"},
        Field{"ranks", &R::ranks, Role::key, "rank", "ranks of the job (P)"},
        Field{"mesh", &R::mesh, Role::key, "", "ranks along dp,fsdp,tp,sp; sp is the ring"},
        Field{"schedule", &R::schedule, Role::key, "", "how attention moves blocks between ranks: ring or all_gather"},
        Field{"layout", &R::layout, Role::key, "",
              "which tokens of the prompt a rank holds: contiguous, striped or zigzag"},
        Field{"backend", &R::backend, Role::key, "", "backend whose kernels computed, by name"},
        Field{"dtype", &R::dtype, Role::key, "", "type of activations, of weights in products, and of the cache"},
        Field{"weights", &R::weights, Role::key, "",
              "held: every rank holds all weights of its tp part; gathered: they are gathered for every token"},
        Field{"threads", &R::threads, Role::key, "", "threads of a rank"},
        Field{"rope_theta", &R::rope_theta, Role::key, "1", "base of the rotary angles"},
        Field{"theta_mode", &R::theta_mode, Role::key, "", "stage, scaled or given, as in /needle/cells"},
        Field{"trained_context_length", &R::trained_context_length, Role::origin, "token",
              "context of the stage that trained the model last"},
        Field{"prefill_time", &R::prefill_time, Role::measure, "s",
              "time to read the prompt and choose the first token, slowest rank"},
        Field{"prefill_tokens_per_second", &R::prefill_tokens_per_second, Role::measure, "token/s",
              "prompt_tokens / prefill_time"},
        Field{"token_time", &R::token_time, Role::measure, "s",
              "median time of a further token, slowest rank; 0: no further token"},
        Field{"token_time_min", &R::token_time_min, Role::measure, "s",
              "shortest time of a further token, slowest rank"},
        Field{"token_time_max", &R::token_time_max, Role::measure, "s",
              "longest time of a further token, slowest rank"},
        Field{"cache_bytes", &R::cache_bytes, Role::measure, "B",
              "keys and values that a rank holds, the largest of all ranks"},
        Field{"checkpoint", &R::checkpoint, Role::origin, "", "file of the model, as it was given"},
        Field{"checkpoint_digest", &R::checkpoint_digest, Role::key, "",
              "digest of the model's parameters and tokenizer"},
        Field{"prompt_digest", &R::prompt_digest, Role::key, "", "digest of the prompt's text"},
        Field{"valid", &R::valid, Role::verdict, "", "whether all logits were finite"},
        Field{"outcome", &R::outcome, Role::verdict, "",
              "ok, failed_check, not_finite, out_of_memory, timeout, interrupted or bad_input"},
        Field{"reason", &R::reason, Role::verdict, "", "why the row is not valid; empty when it is"},
        Field{"run", &R::run, Role::origin, "",
              "0 for the run that started the record, n for the n-th that resumed it (/provenance)"}};
  }
};

}  // namespace ringworld
