#pragma once
/// @file  Trials of RULER's tasks, in the words of its templates.
/// Source: Hsieh et al., arXiv:2404.06654, and its program's scripts/data/synthetic. Deviations: keys are names of
/// cities where RULER joins an adjective and a noun; common words are words of the haystack; there is no solved
/// example before variable tracking and common words, and the frequencies of common words are a third of RULER's below
/// 4096 tokens; lengths are exact in the model's own tokens, so RULER's search for a text that fits is not needed.
///
///   prefix  instruction  context with what is planted  question  suffix  begin of the answer | answer

#include <string>
#include <vector>

#include "data/haystack.hpp"
#include "tasks/needle/sentence_ends.hpp"
#include "tasks/recall/open_trial.hpp"
#include "tasks/recall/recall_task.hpp"
#include "tokens/chat_template.hpp"

namespace ringworld {

/// A cell of the evaluation.
struct RulerCell {
  RecallTask task = RecallTask::niah_single;
  std::int64_t context_length = 0;  ///< prompt and answer
  std::int64_t answer_tokens = 0;   ///< most of an answer
  std::uint64_t seed = 0;
};

class RulerTrials {
 public:
  /// @param haystack  in tokens of `tokenizer`; both must outlive this. Its evaluation part is used.
  RulerTrials(const Tokenizer& tokenizer, const Haystack& haystack, ChatTemplate chat);

  /// Each (cell, trial) has its own random numbers, so trials may be drawn in any order. A prompt is at most
  /// context_length - answer_tokens long; lists of words and sentences of filling do not always reach it.
  /// @throws ringworld::Error (bad_input) when the task does not fit; the message says what would.
  [[nodiscard]] OpenTrial draw(const RulerCell& cell, std::int64_t trial) const;

 private:
  /// A trial without what fills its context.
  struct Script;

  [[nodiscard]] Script needles(RecallTask task, DrawStream& draws) const;
  [[nodiscard]] Script variables(DrawStream& draws) const;
  [[nodiscard]] OpenTrial fill_with_hay(const RulerCell& cell, const Script& script, DrawStream& draws) const;
  [[nodiscard]] OpenTrial fill_with_noise(const RulerCell& cell, const Script& script, DrawStream& draws) const;
  [[nodiscard]] OpenTrial list_common_words(const RulerCell& cell, DrawStream& draws) const;
  [[nodiscard]] OpenTrial list_frequent_words(const RulerCell& cell, DrawStream& draws) const;

  [[nodiscard]] std::vector<Token> head_of(const std::string& instruction) const;
  [[nodiscard]] std::vector<Token> tail_of(const std::string& question, const std::string& answer_begin) const;

  const Tokenizer& tokenizer_;
  const Haystack& haystack_;
  ChatTemplate chat_;
  SentenceEnds sentence_ends_;
  std::vector<std::string> words_;  ///< of the haystack, each once, in alphabetical order
};

}  // namespace ringworld
