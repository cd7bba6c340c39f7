#pragma once
/// @file  The rows that `ringworld needle` records: one a cell of the evaluation grid, and nll against position.

#include <cstdint>

#include "io/row.hpp"

namespace ringworld {

/// One cell: a context length, a depth, a number of needles.
struct NeedleCellRow {
  static constexpr std::string_view path = "/needle/cells";
  static constexpr std::string_view meaning = "one cell of a needle evaluation: hits of greedy answers, exact match";

  FixedString<48> schedule;
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
  FixedString<16> layout;
  FixedString<16> backend;
  FixedString<16> dtype;
  FixedString<16> decoding;
  std::int64_t training_seed = 0;
  std::int64_t seed = 0;
  FixedString<160> checkpoint;
  FixedString<24> checkpoint_digest;
  bool valid = false;
  FixedString<240> reason;
  std::int64_t run = 0;

  static constexpr auto fields() {
    using R = NeedleCellRow;
    return std::tuple{
        Field{"schedule", &R::schedule, "", "name of the stage schedule that trained the model"},
        Field{"stage", &R::stage, "", "last stage that the model was trained in, counted from 0"},
        Field{"context_length", &R::context_length, "token", "tokens of a trial, question and answers included (S)"},
        Field{"trained_context_length", &R::trained_context_length, "token",
              "longest context that the model was trained on"},
        Field{"rope_theta", &R::rope_theta, "1", "base of the rotary angles in this cell"},
        Field{"theta_mode", &R::theta_mode, "",
              "stage: as trained; scaled: with the square of context_length beyond the trained one; given: a number"},
        Field{"kind", &R::kind, "", "single: one needle, at a depth; multi: several, or one asked of several"},
        Field{"depth", &R::depth, "1",
              "where the needle stands: 0 = start of the haystack, 1 = next to the question; NaN: anywhere"},
        Field{"needles_planted", &R::needles_planted, "", "needles in a context (N)"},
        Field{"needles_asked", &R::needles_asked, "", "needles that are asked for, one after another (R)"},
        Field{"contexts", &R::contexts, "", "contexts drawn, each with its own haystack and needles"},
        Field{"hits", &R::hits, "", "answers that are right in every token"},
        Field{"trials", &R::trials, "", "answers scored: contexts * needles_asked"},
        Field{"wrong_needle", &R::wrong_needle, "",
              "wrong answers that are the value of another needle of the context"},
        Field{"wilson_low", &R::wilson_low, "1", "lower end of the 95 % Wilson interval of hits / trials"},
        Field{"wilson_high", &R::wilson_high, "1", "upper end of it; answers of one context count as independent"},
        Field{"seconds", &R::seconds, "s", "time of the cell, slowest rank"},
        Field{"tokens_per_second", &R::tokens_per_second, "token/s", "contexts * context_length / seconds"},
        Field{"ranks", &R::ranks, "rank", "ring size (P)"},
        Field{"layout", &R::layout, "", "which tokens a rank holds: contiguous, striped or zigzag"},
        Field{"backend", &R::backend, "", "kernels used: reference, kokkos, host or cuda"},
        Field{"dtype", &R::dtype, "", "type of activations"},
        Field{"decoding", &R::decoding, "",
              "one_pass: likeliest tokens of one pass with the right answers filled in; greedy: generated token by "
              "token, "
              "each answer after the model's own earlier ones"},
        Field{"training_seed", &R::training_seed, "", "seed that the model was trained with"},
        Field{"seed", &R::seed, "", "seed of the trials"},
        Field{"checkpoint", &R::checkpoint, "", "file of the model, as it was given"},
        Field{"checkpoint_digest", &R::checkpoint_digest, "", "digest of the model's parameters and tokenizer"},
        Field{"valid", &R::valid, "", "whether the cell was scored, with every needle found where it was planted"},
        Field{"reason", &R::reason, "", "why the row is not valid; empty when it is"},
        Field{"run", &R::run, "",
              "0 for the run that started the record, n for the n-th that resumed it (/provenance)"}};
  }
};

/// Ordinary held-out text, by where in the context a token stands.
struct PerplexityRow {
  static constexpr std::string_view path = "/needle/perplexity";
  static constexpr std::string_view meaning = "nll of held-out text, for a range of positions in the context";

  FixedString<48> schedule;
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
  FixedString<16> layout;
  FixedString<16> backend;
  std::int64_t training_seed = 0;
  std::int64_t seed = 0;
  FixedString<160> checkpoint;
  FixedString<24> checkpoint_digest;
  bool valid = false;
  FixedString<240> reason;
  std::int64_t run = 0;

  static constexpr auto fields() {
    using R = PerplexityRow;
    return std::tuple{
        Field{"schedule", &R::schedule, "", "name of the stage schedule that trained the model"},
        Field{"stage", &R::stage, "", "last stage that the model was trained in, counted from 0"},
        Field{"context_length", &R::context_length, "token", "tokens of one sequence, over all ranks (S)"},
        Field{"trained_context_length", &R::trained_context_length, "token",
              "longest context that the model was trained on"},
        Field{"rope_theta", &R::rope_theta, "1", "base of the rotary angles"},
        Field{"theta_mode", &R::theta_mode, "", "stage, scaled or given, as in /needle/cells"},
        Field{"position_begin", &R::position_begin, "token", "first position of the range: tokens seen before it"},
        Field{"position_end", &R::position_end, "token", "one past the last position of the range"},
        Field{"tokens", &R::tokens, "token", "tokens predicted in this range, over all contexts"},
        Field{"nll", &R::nll, "nat", "mean over them of -log p(token | tokens before it)"},
        Field{"perplexity", &R::perplexity, "1", "exp(nll)"},
        Field{"contexts", &R::contexts, "", "windows of held-out text"},
        Field{"ranks", &R::ranks, "rank", "ring size (P)"},
        Field{"layout", &R::layout, "", "which tokens a rank holds: contiguous, striped or zigzag"},
        Field{"backend", &R::backend, "", "kernels used: reference, kokkos, host or cuda"},
        Field{"training_seed", &R::training_seed, "", "seed that the model was trained with"},
        Field{"seed", &R::seed, "", "seed of the windows"},
        Field{"checkpoint", &R::checkpoint, "", "file of the model, as it was given"},
        Field{"checkpoint_digest", &R::checkpoint_digest, "", "digest of the model's parameters and tokenizer"},
        Field{"valid", &R::valid, "", "whether every nll was finite"},
        Field{"reason", &R::reason, "", "why the row is not valid; empty when it is"},
        Field{"run", &R::run, "",
              "0 for the run that started the record, n for the n-th that resumed it (/provenance)"}};
  }
};

}  // namespace ringworld
