#pragma once
/// @file  The model interface of an evaluation: the predicted next token at given places of a sequence.
/// Shapes: B sequences, S context_length; row major.

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "tokens/tokenizer.hpp"

namespace ringworld {

/// Token `position` of sequence `row`, to be predicted from the tokens before it. 1 <= position < S.
struct TokenPlace {
  std::int64_t row = 0;
  std::int64_t position = 0;
  bool operator==(const TokenPlace&) const = default;
};

/// The prediction of a model at one place.
struct NextToken {
  Token likeliest = 0;  ///< the first of equals
  double nll = 0;       ///< -log p of the token that does stand there
};

/// One pass over `tokens` (B, S); an answer a place, in order. Collective over the model's ranks: all give the same
/// arguments and get the same answers.
using NextTokenPredictor =
    std::function<std::vector<NextToken>(std::span<const Token> tokens, std::span<const TokenPlace> places)>;

}  // namespace ringworld
