#pragma once
/// @file  Prompts of different lengths as one batch.

#include <cstdint>
#include <span>
#include <vector>

#include "tokens/tokenizer.hpp"

namespace ringworld {

/// Prompts with padding at the left, as Decoder::read takes them.
struct PaddedPrompts {
  std::int64_t length = 0;            ///< S, of the longest prompt
  std::vector<Token> tokens;          ///< (B, S)
  std::vector<std::int64_t> padding;  ///< (B), tokens of padding before each prompt

  /// Whether any prompt is shorter than the longest.
  [[nodiscard]] bool has_padding() const;
};

/// @throws ringworld::Error (bad_input) when there is no prompt or one has no token.
[[nodiscard]] PaddedPrompts pad_prompts(std::span<const std::vector<Token>> prompts);

}  // namespace ringworld
