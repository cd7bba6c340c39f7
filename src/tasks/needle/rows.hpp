#pragma once
/// @file  The rows that `ringworld needle` records: one a cell of the evaluation grid, and nll against position.

#include <cstdint>

#include "io/row.hpp"
#include "io/schedule_columns.hpp"

namespace ringworld {

/// One cell: a context length, a depth, a number of needles.
struct NeedleCellRow : ScheduleColumns {
  static constexpr std::string_view path = "/needle/cells";
  static constexpr std::string_view meaning = "one cell of a needle evaluation: hits of greedy answers, exact match";

  FixedString<48> stages;
  std::int64_t stage = 0;
  std::int64_t context_length = 0;
  std::int64_t trained_context_length = 0;
  double rope_theta = 0;
  FixedString<16> theta_mode;
  FixedString<16> kind;
  double depth = 0;
  std::int64_t needles_planted = 0;
  std::int64_t needles_asked = 0;
  std::int64_t contexts = 0;
  std::int64_t hits = 0;
  std::int64_t trials = 0;
  std::int64_t wrong_needle = 0;
  double wilson_low = 0;
  double wilson_high = 0;
  double seconds = 0;
  double tokens_per_second = 0;
  std::int64_t ranks = 0;
  FixedString<48> mesh;
  FixedString<16> layout;
  FixedString<16> backend;
  FixedString<16> dtype;
  FixedString<16> decoding;
  FixedString<16> needle_template;
  FixedString<24> task = "lwm";
  FixedString<40> chat;
  std::int64_t answer_tokens = 0;
  std::int64_t threads = 1;
  std::int64_t training_seed = 0;
  std::int64_t seed = 0;
  FixedString<160> checkpoint;
  FixedString<24> checkpoint_digest;
  FixedString<160> haystack;
  FixedString<24> haystack_digest;
  bool valid = false;
  FixedString<16> outcome;
  FixedString<240> reason;
  std::int64_t run = 0;

  static constexpr auto fields() {
    using R = NeedleCellRow;
    return std::tuple_cat(
        std::tuple{
            Field{"stages", &R::stages, Role::key, "", "name of the list of stages that trained the model"},
            Field{"stage", &R::stage, Role::key, "", "last stage that the model was trained in, counted from 0"},
            Field{"context_length", &R::context_length, Role::key, "token",
                  "tokens of a trial, question and answers included (S)"},
            Field{"trained_context_length", &R::trained_context_length, Role::origin, "token",
                  "longest context that the model was trained on"},
            Field{"rope_theta", &R::rope_theta, Role::key, "1", "base of the rotary angles in this cell"},
            Field{
                "theta_mode", &R::theta_mode, Role::key, "",
                "stage: as trained; scaled: with the square of context_length beyond the trained one; given: a number"},
            Field{"kind", &R::kind, Role::key, "",
                  "single: one needle, at a depth; multi: several, or one asked of several"},
            Field{"depth", &R::depth, Role::key, "1",
                  "where the needle stands: 0 = start of the haystack, 1 = next to the question; NaN: anywhere"},
            Field{"needles_planted", &R::needles_planted, Role::key, "", "needles in a context (N)"},
            Field{"needles_asked", &R::needles_asked, Role::key, "",
                  "needles that are asked for, one after another (R)"},
            Field{"contexts", &R::contexts, Role::key, "", "contexts drawn, each with its own haystack and needles"},
            Field{"hits", &R::hits, Role::measure, "",
                  "answers that are right in every token; of open: expected texts that stand in the answer"},
            Field{"trials", &R::trials, Role::measure, "", "answers or expected texts: contexts * needles_asked"},
            Field{"wrong_needle", &R::wrong_needle, Role::measure, "",
                  "wrong answers that are the value of another needle of the context"},
            Field{"wilson_low", &R::wilson_low, Role::measure, "1",
                  "lower end of the 95 % Wilson interval of hits / trials"},
            Field{"wilson_high", &R::wilson_high, Role::measure, "1",
                  "upper end of it; answers of one context count as independent"},
            Field{"seconds", &R::seconds, Role::measure, "s", "time of the cell, slowest rank"},
            Field{"tokens_per_second", &R::tokens_per_second, Role::measure, "token/s",
                  "contexts * context_length / seconds"},
            Field{"ranks", &R::ranks, Role::key, "rank", "ring size (P)"},
            Field{"mesh", &R::mesh, Role::key, "", "ranks on the axes dp,fsdp,tp,sp"}},
        schedule_fields<R>(),
        std::tuple{
            Field{"layout", &R::layout, Role::key, "", "which tokens a rank holds: contiguous, striped or zigzag"},
            Field{"backend", &R::backend, Role::key, "", "backend whose kernels computed, by name"},
            Field{"dtype", &R::dtype, Role::key, "", "type of activations"},
            Field{"decoding", &R::decoding, Role::key, "",
                  "one_pass: likeliest tokens of one pass with the right answers filled in; greedy: generated token by "
                  "token, each answer after the model's own earlier ones; open: generated freely"},
            Field{"needle_template", &R::needle_template, Role::key, "",
                  "words of the needles: short1 or long1 of a word tokenizer, prompt of any other"},
            Field{"task", &R::task, Role::key, "",
                  "lwm: needles as planted and asked say; the others are tasks of RULER"},
            Field{"chat", &R::chat, Role::key, "",
                  "family of the chat template around context and question, with its digest where it was spelt out; "
                  "empty "
                  "of a word tokenizer"},
            Field{"answer_tokens", &R::answer_tokens, Role::key, "token",
                  "most tokens of an answer that is generated freely; 0: answers are as long as the right ones"},
            Field{"threads", &R::threads, Role::key, "", "threads of a rank"},
            Field{"training_seed", &R::training_seed, Role::key, "", "seed that the model was trained with"},
            Field{"seed", &R::seed, Role::key, "", "seed of the trials"},
            Field{"checkpoint", &R::checkpoint, Role::origin, "", "file of the model, as it was given"},
            Field{"checkpoint_digest", &R::checkpoint_digest, Role::key, "",
                  "digest of the model's parameters and tokenizer"},
            Field{"haystack", &R::haystack, Role::origin, "", "text whose held-out part was used, as it was given"},
            Field{"haystack_digest", &R::haystack_digest, Role::key, "", "digest of that text"},
            Field{"valid", &R::valid, Role::verdict, "",
                  "whether the cell was scored, with every needle found where it was planted"},
            Field{"outcome", &R::outcome, Role::verdict, "",
                  "ok, failed_check, not_finite, out_of_memory, timeout, interrupted or bad_input"},
            Field{"reason", &R::reason, Role::verdict, "", "why the row is not valid; empty when it is"},
            Field{"run", &R::run, Role::origin, "",
                  "0 for the run that started the record, n for the n-th that resumed it (/provenance)"}});
  }
};

/// Ordinary held-out text, by where in the context a token stands.
struct PerplexityRow : ScheduleColumns {
  static constexpr std::string_view path = "/needle/perplexity";
  static constexpr std::string_view meaning = "nll of held-out text, for a range of positions in the context";

  FixedString<48> stages;
  std::int64_t stage = 0;
  std::int64_t context_length = 0;
  std::int64_t trained_context_length = 0;
  double rope_theta = 0;
  FixedString<16> theta_mode;
  std::int64_t position_begin = 0;
  std::int64_t position_end = 0;
  std::int64_t tokens = 0;
  double nll = 0;
  double perplexity = 0;
  std::int64_t contexts = 0;
  std::int64_t ranks = 0;
  FixedString<48> mesh;
  FixedString<16> layout;
  FixedString<16> backend;
  FixedString<16> dtype;
  std::int64_t threads = 1;
  std::int64_t training_seed = 0;
  std::int64_t seed = 0;
  FixedString<160> checkpoint;
  FixedString<24> checkpoint_digest;
  FixedString<160> haystack;
  FixedString<24> haystack_digest;
  bool valid = false;
  FixedString<16> outcome;
  FixedString<240> reason;
  std::int64_t run = 0;

  static constexpr auto fields() {
    using R = PerplexityRow;
    return std::tuple_cat(
        std::tuple{
            Field{"stages", &R::stages, Role::key, "", "name of the list of stages that trained the model"},
            Field{"stage", &R::stage, Role::key, "", "last stage that the model was trained in, counted from 0"},
            Field{"context_length", &R::context_length, Role::key, "token",
                  "tokens of one sequence, over all ranks (S)"},
            Field{"trained_context_length", &R::trained_context_length, Role::origin, "token",
                  "longest context that the model was trained on"},
            Field{"rope_theta", &R::rope_theta, Role::key, "1", "base of the rotary angles"},
            Field{"theta_mode", &R::theta_mode, Role::key, "", "stage, scaled or given, as in /needle/cells"},
            Field{"position_begin", &R::position_begin, Role::key, "token",
                  "first position of the range: tokens seen before it"},
            Field{"position_end", &R::position_end, Role::key, "token", "one past the last position of the range"},
            Field{"tokens", &R::tokens, Role::measure, "token", "tokens predicted in this range, over all contexts"},
            Field{"nll", &R::nll, Role::measure, "nat", "mean over them of -log p(token | tokens before it)"},
            Field{"perplexity", &R::perplexity, Role::measure, "1", "exp(nll)"},
            Field{"contexts", &R::contexts, Role::key, "", "windows of held-out text"},
            Field{"ranks", &R::ranks, Role::key, "rank", "ring size (P)"},
            Field{"mesh", &R::mesh, Role::key, "", "ranks on the axes dp,fsdp,tp,sp"}},
        schedule_fields<R>(),
        std::tuple{
            Field{"layout", &R::layout, Role::key, "", "which tokens a rank holds: contiguous, striped or zigzag"},
            Field{"backend", &R::backend, Role::key, "", "backend whose kernels computed, by name"},
            Field{"dtype", &R::dtype, Role::key, "", "type of activations"},
            Field{"threads", &R::threads, Role::key, "", "threads of a rank"},
            Field{"training_seed", &R::training_seed, Role::key, "", "seed that the model was trained with"},
            Field{"seed", &R::seed, Role::key, "", "seed of the windows"},
            Field{"checkpoint", &R::checkpoint, Role::origin, "", "file of the model, as it was given"},
            Field{"checkpoint_digest", &R::checkpoint_digest, Role::key, "",
                  "digest of the model's parameters and tokenizer"},
            Field{"haystack", &R::haystack, Role::origin, "", "text whose held-out part was used, as it was given"},
            Field{"haystack_digest", &R::haystack_digest, Role::key, "", "digest of that text"},
            Field{"valid", &R::valid, Role::verdict, "", "whether every nll was finite"},
            Field{"outcome", &R::outcome, Role::verdict, "",
                  "ok, failed_check, not_finite, out_of_memory, timeout, interrupted or bad_input"},
            Field{"reason", &R::reason, Role::verdict, "", "why the row is not valid; empty when it is"},
            Field{"run", &R::run, Role::origin, "",
                  "0 for the run that started the record, n for the n-th that resumed it (/provenance)"}});
  }
};

}  // namespace ringworld
