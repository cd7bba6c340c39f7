#pragma once
/// @file  How well a model predicts held-out text, by where in its context a token stands. A model that uses a long
/// context predicts late tokens better than early ones; one that cannot predicts them worse.

#include <cstdint>
#include <vector>

#include "data/haystack.hpp"
#include "eval/next_token.hpp"

namespace ringworld {

/// A range of positions, begin <= position < end.
struct PositionRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t tokens = 0;  ///< predicted, over all windows
  double nll_sum = 0;       ///< of them
};

struct PerplexityPlan {
  std::int64_t context_length = 0;
  std::int64_t windows = 0;           ///< contexts, each <bos> and a window of the evaluation part
  std::int64_t windows_per_pass = 1;  ///< B
  std::uint64_t seed = 0;
};

/// Ranges [1, 2), [2, 4), [4, 8), ... up to the context's end.
[[nodiscard]] std::vector<PositionRange> doubling_ranges(std::int64_t context_length);

/// Collective over the model's ranks. A window depends on the seed, the length and its number only.
/// @throws ringworld::Error (bad_input) when a number of the plan makes no sense or the haystack is too short.
[[nodiscard]] std::vector<PositionRange> measure_perplexity(const PerplexityPlan& plan, const Tokenizer& tokenizer,
                                                            const Haystack& haystack, const NextTokenPredictor& model);

}  // namespace ringworld
