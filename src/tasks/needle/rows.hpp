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
  FixedString<24> rope_scaling = "model";
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

  static Columns columns() {
    using R = NeedleCellRow;
    return joined(
        {Columns{
             Column{"stages", &R::stages, Role::key, "", "name of the list of stages that trained the model"},
             Column{"stage", &R::stage, Role::key, "", "last stage that the model was trained in, counted from 0"},
             Column{"context_length", &R::context_length, Role::key, "token",
                    "tokens of a trial, question and answers included (S)"},
             Column{"trained_context_length", &R::trained_context_length, Role::origin, "token",
                    "longest context that the model was trained on"},
             Column{"rope_theta", &R::rope_theta, Role::key, "1", "base of the rotary angles in this cell"},
             Column{"theta_mode", &R::theta_mode, Role::key, "",
                    "stage: as trained; scaled: with the square of context_length beyond the trained one; given: a "
                    "number"},
             Column{"rope_scaling", &R::rope_scaling, Role::key, "",
                    "model: the checkpoint's own; none; or linear, dynamic or yarn with its factor, in place of the "
                    "model's own: yarn and dynamic from trained_context_length on"},
             Column{"kind", &R::kind, Role::key, "",
                    "single: one needle, at a depth; multi: several, or one asked of several"},
             Column{"depth", &R::depth, Role::key, "1",
                    "where the needle stands: 0 = start of the haystack, 1 = next to the question; NaN: anywhere"},
             Column{"needles_planted", &R::needles_planted, Role::key, "", "needles in a context (N)"},
             Column{"needles_asked", &R::needles_asked, Role::key, "",
                    "needles that are asked for, one after another (R)"},
             Column{"contexts", &R::contexts, Role::key, "", "contexts drawn, each with its own haystack and needles"},
             Column{"hits", &R::hits, Role::measure, "",
                    "answers that are right in every token; of open: expected texts that stand in the answer"},
             Column{"trials", &R::trials, Role::measure, "", "answers or expected texts: contexts * needles_asked"},
             Column{"wrong_needle", &R::wrong_needle, Role::measure, "",
                    "wrong answers that are the value of another needle of the context"},
             Column{"wilson_low", &R::wilson_low, Role::measure, "1",
                    "lower end of the 95 % Wilson interval of hits / trials"},
             Column{"wilson_high", &R::wilson_high, Role::measure, "1",
                    "upper end of it; answers of one context count as independent"},
             Column{"seconds", &R::seconds, Role::measure, "s", "time of the cell, slowest rank"},
             Column{"tokens_per_second", &R::tokens_per_second, Role::measure, "token/s",
                    "contexts * context_length / seconds"},
             Column{"ranks", &R::ranks, Role::key, "rank", "ring size (P)"},
             Column{"mesh", &R::mesh, Role::key, "", "ranks on the axes dp,fsdp,tp,sp"}},
         schedule_columns<R>(),
         Columns{
             Column{"layout", &R::layout, Role::key, "", "which tokens a rank holds: contiguous, striped or zigzag"},
             Column{"backend", &R::backend, Role::key, "", "backend whose kernels computed, by name"},
             Column{"dtype", &R::dtype, Role::key, "", "type of activations"},
             Column{
                 "decoding", &R::decoding, Role::key, "",
                 "one_pass: likeliest tokens of one pass with the right answers filled in; greedy: generated token by "
                 "token, each answer after the model's own earlier ones; open: generated freely"},
             Column{"needle_template", &R::needle_template, Role::key, "",
                    "words of the needles: short1 or long1 of a word tokenizer, prompt of any other"},
             Column{"task", &R::task, Role::key, "",
                    "lwm: needles as planted and asked say; the others are tasks of RULER"},
             Column{"chat", &R::chat, Role::key, "",
                    "family of the chat template around context and question, with its digest where it was spelt out; "
                    "empty "
                    "of a word tokenizer"},
             Column{"answer_tokens", &R::answer_tokens, Role::key, "token",
                    "most tokens of an answer that is generated freely; 0: answers are as long as the right ones"},
             Column{"threads", &R::threads, Role::key, "", "threads of a rank"},
             Column{"training_seed", &R::training_seed, Role::key, "", "seed that the model was trained with"},
             Column{"seed", &R::seed, Role::key, "", "seed of the trials"},
             Column{"checkpoint", &R::checkpoint, Role::origin, "", "file of the model, as it was given"},
             Column{"checkpoint_digest", &R::checkpoint_digest, Role::key, "",
                    "digest of the model's parameters and tokenizer"},
             Column{"haystack", &R::haystack, Role::origin, "", "text whose held-out part was used, as it was given"},
             Column{"haystack_digest", &R::haystack_digest, Role::key, "", "digest of that text"},
             Column{"valid", &R::valid, Role::verdict, "",
                    "whether the cell was scored, with every needle found where it was planted"},
             Column{"outcome", &R::outcome, Role::verdict, "",
                    "ok, failed_check, not_finite, out_of_memory, timeout, interrupted or bad_input"},
             Column{"reason", &R::reason, Role::verdict, "", "why the row is not valid; empty when it is"},
             Column{"run", &R::run, Role::origin, "",
                    "0 for the run that started the record, n for the n-th that resumed it (/provenance)"}}});
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
  FixedString<24> rope_scaling = "model";
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

  static Columns columns() {
    using R = PerplexityRow;
    return joined(
        {Columns{
             Column{"stages", &R::stages, Role::key, "", "name of the list of stages that trained the model"},
             Column{"stage", &R::stage, Role::key, "", "last stage that the model was trained in, counted from 0"},
             Column{"context_length", &R::context_length, Role::key, "token",
                    "tokens of one sequence, over all ranks (S)"},
             Column{"trained_context_length", &R::trained_context_length, Role::origin, "token",
                    "longest context that the model was trained on"},
             Column{"rope_theta", &R::rope_theta, Role::key, "1", "base of the rotary angles"},
             Column{"theta_mode", &R::theta_mode, Role::key, "", "stage, scaled or given, as in /needle/cells"},
             Column{"rope_scaling", &R::rope_scaling, Role::key, "", "as in /needle/cells"},
             Column{"position_begin", &R::position_begin, Role::key, "token",
                    "first position of the range: tokens seen before it"},
             Column{"position_end", &R::position_end, Role::key, "token", "one past the last position of the range"},
             Column{"tokens", &R::tokens, Role::measure, "token", "tokens predicted in this range, over all contexts"},
             Column{"nll", &R::nll, Role::measure, "nat", "mean over them of -log p(token | tokens before it)"},
             Column{"perplexity", &R::perplexity, Role::measure, "1", "exp(nll)"},
             Column{"contexts", &R::contexts, Role::key, "", "windows of held-out text"},
             Column{"ranks", &R::ranks, Role::key, "rank", "ring size (P)"},
             Column{"mesh", &R::mesh, Role::key, "", "ranks on the axes dp,fsdp,tp,sp"}},
         schedule_columns<R>(),
         Columns{
             Column{"layout", &R::layout, Role::key, "", "which tokens a rank holds: contiguous, striped or zigzag"},
             Column{"backend", &R::backend, Role::key, "", "backend whose kernels computed, by name"},
             Column{"dtype", &R::dtype, Role::key, "", "type of activations"},
             Column{"threads", &R::threads, Role::key, "", "threads of a rank"},
             Column{"training_seed", &R::training_seed, Role::key, "", "seed that the model was trained with"},
             Column{"seed", &R::seed, Role::key, "", "seed of the windows"},
             Column{"checkpoint", &R::checkpoint, Role::origin, "", "file of the model, as it was given"},
             Column{"checkpoint_digest", &R::checkpoint_digest, Role::key, "",
                    "digest of the model's parameters and tokenizer"},
             Column{"haystack", &R::haystack, Role::origin, "", "text whose held-out part was used, as it was given"},
             Column{"haystack_digest", &R::haystack_digest, Role::key, "", "digest of that text"},
             Column{"valid", &R::valid, Role::verdict, "", "whether every nll was finite"},
             Column{"outcome", &R::outcome, Role::verdict, "",
                    "ok, failed_check, not_finite, out_of_memory, timeout, interrupted or bad_input"},
             Column{"reason", &R::reason, Role::verdict, "", "why the row is not valid; empty when it is"},
             Column{"run", &R::run, Role::origin, "",
                    "0 for the run that started the record, n for the n-th that resumed it (/provenance)"}}});
  }
};

}  // namespace ringworld
