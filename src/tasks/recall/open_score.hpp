#pragma once
/// @file  The score of freely generated answers: how many of the expected texts they hold, upper and lower case alike.
/// Source: LWM's evaluators, which look for the digits in the answer; RULER (Hsieh et al., arXiv:2404.06654),
/// string_match_all, whose score of a cell is hits / expected.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tasks/needle/generation.hpp"
#include "tasks/recall/open_trial.hpp"

namespace ringworld {

struct OpenPlan {
  std::int64_t contexts = 0;           ///< trials 0 .. contexts - 1
  std::int64_t contexts_per_pass = 1;  ///< prompts of one length are read side by side
  std::int64_t answer_tokens = 0;      ///< most that are generated
};

struct OpenScore {
  std::int64_t contexts = 0;
  std::int64_t expected = 0;  ///< texts, over all contexts
  std::int64_t hits = 0;      ///< of them found in the answer of their context
  bool operator==(const OpenScore&) const = default;
};

using OpenTrialSource = std::function<OpenTrial(std::int64_t index)>;

/// What came of one trial.
struct OpenAnswer {
  std::int64_t index = 0;
  const OpenTrial& trial;
  std::string text;
  std::int64_t hits = 0;  ///< expected texts that stand in it
};
/// Told of every answer, in the order of trials.
using OpenAnswerObserver = std::function<void(const OpenAnswer& answer)>;

/// How many of `expected` stand in `answer`; ASCII letters count the same in upper and lower case.
[[nodiscard]] std::int64_t count_matches(std::string_view answer, const std::vector<std::string>& expected);

/// An answer ends with the tokenizer's end of document, after `answer_tokens`, or when nothing is left to be found.
/// Collective over the model's ranks.
/// @throws ringworld::Error (bad_input) when a number of the plan is not positive; whatever the functions throw.
[[nodiscard]] OpenScore score_open_cell(const OpenPlan& plan, const OpenTrialSource& draw, const Tokenizer& tokenizer,
                                        const DecoderSource& decoder, const OpenAnswerObserver& tell = {});

}  // namespace ringworld
