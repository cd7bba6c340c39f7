#pragma once
/// @file  What an evaluation asks of a model: which token it expects at some places of a sequence.
/// Shapes: B sequences, S context_length; row major.

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "data/tokenizer.hpp"

namespace ringworld {

/// Token `position` of sequence `row`, to be predicted from the tokens before it. 1 <= position < S.
struct TokenPlace {
  std::int64_t row = 0;
  std::int64_t position = 0;
  bool operator==(const TokenPlace&) const = default;
};

/// What a model says of a place.
struct NextToken {
  Token likeliest = 0;  ///< the first of equals
  double nll = 0;       ///< -log p of the token that does stand there
};

/// One pass over `tokens` (B, S); an answer a place, in order. Collective over the model's ranks: all give the same
/// arguments and get the same answers.
using NextTokenModel =
    std::function<std::vector<NextToken>(std::span<const Token> tokens, std::span<const TokenPlace> places)>;

}  // namespace ringworld
