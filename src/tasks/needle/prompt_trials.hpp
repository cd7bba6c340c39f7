#pragma once
/// @file  Needles in LWM's own words, for byte and SentencePiece tokenizers.
/// Source: LWM (github.com/LargeWorldModel/LWM), its single- and multi-needle evaluators. Deviations: depth is counted
/// in the model's own tokens; keys are distinct; all needles go in at once, so none cuts another; each trial has its
/// own haystack.
///
///   <bos> You are a helpful assistant. USER: hay hay. \n The special magic Paris number is: 1234567 \n hay hay hay
///   What is the special magic Paris number? Don't give ... ASSISTANT: 1234567

#include "tasks/needle/trial.hpp"

namespace ringworld {

/// Draws trials of natural language.
class PromptTrials {
 public:
  /// @param haystack  in tokens of `tokenizer`; both must outlive this
  /// @throws ringworld::Error (bad_input) for a word tokenizer, which has no digits.
  PromptTrials(const Tokenizer& tokenizer, const Haystack& haystack);

  /// A needle goes in after the last sentence that ends at or before its depth; at the depths 0 and 1 exactly there.
  /// One question asks for all needles, and its right answer lists them: "1234567", or "Paris: 1234567, Oslo: 7654321".
  /// `prompt_length` ends with "ASSISTANT: ". A model that decodes by itself scores a hit when its answer holds the
  /// digits.
  /// @throws ringworld::Error (bad_input) when the needles or the haystack do not fit; the message says what would.
  /// (check_failed) when the text of the finished context does not hold a needle once.
  [[nodiscard]] NeedleTrial draw(const NeedleCell& cell, std::int64_t trial) const;

 private:
  /// A trial without its hay.
  struct Parts;

  [[nodiscard]] Parts write_parts(const NeedleCell& cell, DrawStream& draws) const;
  [[nodiscard]] NeedleTrial put_together(const Parts& parts, std::span<const Token> hay,
                                         const TrialPlaces& drawn) const;
  [[nodiscard]] std::int64_t after_last_sentence(std::span<const Token> hay, std::int64_t place) const;

  const Tokenizer& tokenizer_;
  const Haystack& haystack_;
  std::vector<bool> ends_sentence_;  ///< by token: its text ends with . ! or ?
};

}  // namespace ringworld
