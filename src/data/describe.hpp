#pragma once
/// @file  Samples as text, for people.

#include <string>

#include "data/batch.hpp"
#include "data/needle_trial.hpp"

namespace ringworld {

/// A run of tokens to be shown between two marks.
struct MarkedRun {
  std::int64_t begin = 0;
  std::int64_t length = 0;
  std::string_view opening = "[";
  std::string_view closing = "]";
};

/// Text of `tokens` with marks, such as
/// "<bos> in the beginning ... { magic Paris: 42 17 . } ... what magic Paris: [ 42 17 ]".
/// @param runs  rising, not overlapping     @param around  tokens shown on each side of a mark and at both ends; what
/// is left out becomes "..."; negative shows all
[[nodiscard]] std::string describe(const Tokenizer& tokenizer, std::span<const Token> tokens,
                                   std::span<const MarkedRun> runs, std::int64_t around = -1);

/// A trial: needles in braces, answers in brackets.
[[nodiscard]] std::string describe(const Tokenizer& tokenizer, const NeedleTrial& trial, std::int64_t around = -1);

/// The inputs of one row of a batch: answers in brackets.
[[nodiscard]] std::string describe(const Tokenizer& tokenizer, const Batch& batch, std::int64_t row,
                                   std::int64_t around = -1);

}  // namespace ringworld
