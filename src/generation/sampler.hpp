#pragma once
/// @file  The choice of the next token from logits: guidance, temperature, top-k, one draw.
/// Source: classifier-free guidance of Ho, Salimans, arXiv:2207.12598, as Large World Model (arXiv:2402.08268) applies
/// it to logits; top-k sampling of Fan, Lewis, Dauphin, arXiv:1805.04833.
///
///   logits of both contexts        l = u + s (c - u)        l / T         the k largest     softmax, one draw
///   (c with the prompt, u without)
///
/// Temperature and top-k act on the guided logits.

#include <cstdint>
#include <span>

#include "tokens/tokenizer.hpp"

namespace ringworld {

struct Sampling {
  double temperature = 0;  ///< T; 0 takes the likeliest token
  std::int64_t top_k = 0;  ///< only so many of the likeliest tokens may be drawn; 0: all
  std::uint64_t seed = 0;
};

/// @throws ringworld::Error (bad_input) for a temperature or a top-k below 0, or no number.
void validate(const Sampling& sampling);

/// Tokens `begin <= id < end`.
struct TokenRange {
  Token begin = 0;
  Token end = 0;
};

/// The place that a draw is made for: a draw is a function of the seed and this place, whoever makes it.
struct DrawPlace {
  std::uint64_t row = 0;
  std::uint64_t step = 0;
};

/// A token of the range. Of equal logits the first token goes first, both as likeliest and into the top k. NaN is never
/// chosen, unless there is nothing else.
/// @param logits (V), by token     @pre the range is within the logits and not empty
[[nodiscard]] Token choose_token(const Sampling& sampling, std::span<const float> logits, TokenRange range,
                                 const DrawPlace& place);

/// conditional = unconditional + scale (conditional - unconditional); a scale of 1 changes nothing.
void guide(std::span<float> conditional, std::span<const float> unconditional, double scale);

}  // namespace ringworld
