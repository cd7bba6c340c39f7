#pragma once
/// @file  Tokens that are found in a text before it is split into words: "<|im_start|>".
/// Source: Hugging Face's `tokenizers`, AddedVocabulary.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokens/tokenizer.hpp"

namespace ringworld {

struct AddedToken {
  Token token = 0;
  std::string content;
  bool is_special = false;     ///< found only in markup, never in ordinary text
  bool is_normalised = false;  ///< looked for in the normalised text, not in the text as given
  bool strips_left = false;    ///< white space before it belongs to it
  bool strips_right = false;   ///< white space after it belongs to it
};

/// Cuts a text at the tokens of a list. The leftmost match counts, and of several there the longest.
class AddedTokenFinder {
 public:
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);

  /// Calls `take` with each stretch of text, and with each token between them; empty stretches are left out.
  /// @param finds_special  whether special tokens count; where not, their spelling is text
  void split(std::string_view text, bool finds_special,
             const std::function<void(std::string_view text, std::optional<Token> token)>& take) const;

 private:
  [[nodiscard]] const AddedToken* match_at(std::string_view text) const;

  std::vector<AddedToken> tokens_;  ///< the longest first
  std::string first_bytes_;         ///< that a token can begin with
};

}  // namespace ringworld
