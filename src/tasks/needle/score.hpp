#pragma once
/// @file  The score of a model in one cell of a needle evaluation.
///
/// A greedy answer is right in every token iff each token of the right answer is the likeliest one after the right
/// tokens before it, so one pass over a trial with the answers filled in scores all of them. Only what a wrong answer
/// says needs more: it is completed by the model, one pass a token, and only while it can still become the value of
/// another needle.

#include <cstdint>
#include <functional>

#include "eval/next_token.hpp"
#include "tasks/needle/trial.hpp"

namespace ringworld {

/// Counts of a cell.
struct NeedleScore {
  std::int64_t contexts = 0;
  std::int64_t trials = 0;        ///< answers: contexts times needles asked for
  std::int64_t hits = 0;          ///< answers right in every token, the answers to earlier questions given
  std::int64_t wrong_needle = 0;  ///< wrong answers that are another needle's value
  bool operator==(const NeedleScore&) const = default;
};

struct NeedleCellPlan {
  NeedleCell cell;
  std::int64_t contexts = 0;           ///< trials 0 .. contexts - 1 of the cell
  std::int64_t contexts_per_pass = 1;  ///< B; the last pass may have fewer
};

/// @throws ringworld::Error (bad_input) when a number of the plan is not positive.
void require_plan(const NeedleCellPlan& plan);

/// The trial `index` of a cell.
using TrialSource = std::function<NeedleTrial(const NeedleCell& cell, std::int64_t index)>;

/// Called after each pass with the contexts that are scored.
using NeedleProgress = std::function<void(std::int64_t contexts)>;

/// Collective over the model's ranks.
/// @throws ringworld::Error (bad_input) as require_plan(); whatever `draw` throws.
[[nodiscard]] NeedleScore score_needle_cell(const NeedleCellPlan& plan, const TrialSource& draw,
                                            const Tokenizer& tokenizer, const NextTokenPredictor& model,
                                            const NeedleProgress& progress = {});

}  // namespace ringworld
