#pragma once
/// @file  The score of a model in one cell of a needle evaluation, by generation: each answer token by token, greedily.
///
///   prompt ....................... answer 1   question 2   answer 2
///   read in one pass by the ring   generated  given        generated, after the model's own answer 1
///
/// Against one pass over the right answers (needle_score.hpp): a single answer scores the same; of several, the later
/// ones follow the tokens that the model generated before.

#include <functional>

#include "eval/greedy_decoder.hpp"
#include "tasks/needle/score.hpp"

namespace ringworld {

/// The shape of prompts that a decoder serves.
struct PromptShape {
  std::int64_t batch = 0;
  std::int64_t prompt_length = 0;
  std::int64_t new_tokens = 0;
  bool operator==(const PromptShape&) const = default;
};

/// A decoder for a shape; it may be the one of the call before.
using DecoderSource = std::function<GreedyDecoder&(const PromptShape& shape)>;

/// Trials that stand side by side but differ in where their answers begin are read one after another.
/// Collective over the model's ranks.
/// @throws ringworld::Error as score_needle_cell(), and whatever `decoder` throws.
[[nodiscard]] NeedleScore generate_needle_cell(const NeedleCellPlan& plan, const TrialSource& draw,
                                               const Tokenizer& tokenizer, const DecoderSource& decoder);

}  // namespace ringworld
