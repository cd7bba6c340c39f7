#pragma once
/// @file  Needles in LWM's own words, for tokenizers that can spell them: of bytes and of subwords.
/// Source: LWM (github.com/LargeWorldModel/LWM), its single- and multi-needle evaluators. Deviations: depth is counted
/// in the model's own tokens; keys are distinct; all needles go in at once, so none cuts another; each trial has its
/// own haystack.
///
///   <bos> You are a helpful assistant. USER: hay hay. \n The special magic Paris number is: 1234567 \n hay hay hay
///   What is the special magic Paris number? Don't give ... ASSISTANT: 1234567

#include "tasks/needle/sentence_ends.hpp"
#include "tasks/needle/trial.hpp"
#include "tasks/recall/open_trial.hpp"
#include "tokens/chat_template.hpp"

namespace ringworld {

/// Draws trials of natural language.
class PromptTrials {
 public:
  /// @param haystack  in tokens of `tokenizer`; both must outlive this
  /// @throws ringworld::Error (bad_input) for a word tokenizer, which has no digits.
  /// @param chat  stands around the context and the question
  PromptTrials(const Tokenizer& tokenizer, const Haystack& haystack, ChatTemplate chat = read_chat("lwm"));

  /// A needle goes in after the last sentence that ends at or before its depth; at the depths 0 and 1 exactly there.
  /// One question asks for all needles, and its right answer lists them: "1234567", or "Paris: 1234567, Oslo: 7654321".
  /// `prompt_length` ends with the suffix of the chat.
  /// @throws ringworld::Error (bad_input) when the needles or the haystack do not fit; the message says what would.
  /// (check_failed) when the text of the finished context does not hold a needle once.
  [[nodiscard]] NeedleTrial draw(const NeedleCell& cell, std::int64_t trial) const;

  /// The same for an answer that is generated freely: the prompt leaves room for `answer_tokens` in the context, and
  /// the answer should hold the digits.
  [[nodiscard]] OpenTrial draw_open(const NeedleCell& cell, std::int64_t trial, std::int64_t answer_tokens) const;

 private:
  /// A trial without its hay.
  struct Parts;

  [[nodiscard]] Parts write_parts(const NeedleCell& cell, DrawStream& draws) const;
  [[nodiscard]] NeedleTrial put_together(const Parts& parts, std::span<const Token> hay,
                                         const TrialPlaces& drawn) const;
  [[nodiscard]] NeedleTrial draw_around(const Parts& parts, const NeedleCell& cell, std::int64_t answer_tokens,
                                        DrawStream& draws) const;

  const Tokenizer& tokenizer_;
  const Haystack& haystack_;
  ChatTemplate chat_;
  SentenceEnds sentence_ends_;
};

}  // namespace ringworld
