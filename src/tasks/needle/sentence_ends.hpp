#pragma once
/// @file  Where sentences end in a text of tokens.

#include <cstdint>
#include <span>
#include <vector>

#include "tokens/tokenizer.hpp"

namespace ringworld {

class SentenceEnds {
 public:
  /// A sentence ends with a token whose text ends with . ! or ?
  explicit SentenceEnds(const Tokenizer& tokenizer);

  /// The place after the last sentence that ends at or before `place`; the begin and the end of the text stay as they
  /// are.
  [[nodiscard]] std::int64_t after_last(std::span<const Token> text, std::int64_t place) const;

 private:
  std::vector<bool> is_end_;  ///< by token
};

}  // namespace ringworld
